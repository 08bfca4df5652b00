"""Sources and remedies that claims of several themes share."""

WSL_REMEDY = "Run the same command inside a WSL distribution on a Windows machine."
WSL_VERSIONS = "https://learn.microsoft.com/windows/wsl/compare-versions"
NAMESPACES = "https://man7.org/linux/man-pages/man7/namespaces.7.html"
