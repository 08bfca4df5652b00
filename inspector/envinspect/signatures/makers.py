"""Who makes real machines, by how SMBIOS's maker begins; and those of them whose virtual machines carry their name too.

A maker counts only where nothing speaks for a virtual machine. The names are those of the machines collected at
https://github.com/linuxhw/DMI; "To be filled by O.E.M." and its kin are nobody's.
"""

from __future__ import annotations

REAL_MAKERS = (
    "aaeon", "abit", "acer", "adlink", "advantech", "airis", "alienware", "amd", "american megatrends", "ampere",
    "aopen", "aorus", "apple computer", "arima", "asrock", "asus", "atos", "ayaneo", "axiomtek", "azw", "beelink",
    "benq", "biostar", "bull", "casper", "chassis plans", "chuwi", "cisco", "clevo", "colorful", "compal", "compaq",
    "congatec", "cray", "dell", "dfi", "dynabook", "ecs", "egenera", "elitegroup", "emachines", "epox", "eurocom",
    "evga", "exone", "first international computer", "flytech", "foxconn", "framework", "fujitsu", "gateway",
    "getac", "gigabyte", "giga-byte", "gpd", "google", "great wall", "greatwall", "h3c", "haier", "hasee",
    "hewlett", "hisense", "hitachi", "honor", "hp", "huanan", "huawei", "iball", "ibase", "ibm", "iei", "inspur",
    "insyde", "intel", "inventec", "itautec", "ite", "jetway", "jingsha", "kontron", "lanner", "lattepanda",
    "lenovo", "lg electronics", "logic supply", "loongson", "machenike", "maxsun", "maxtang", "mechrevo", "medion",
    "micro computer", "micro-star", "minisforum", "mitac", "monster", "motion computing", "msi", "multilaser",
    "nec", "nexcom", "nextbook", "nokia", "notebook", "novatech", "nutanix", "nvidia", "onda", "olidata", "onkyo",
    "oracle", "packard bell", "panasonic", "pc engines", "pc specialist", "pcchips", "pegatron",
    "penguin computing", "phytium", "pine64", "pine microsystems", "polywell", "portwell", "positivo", "protectli",
    "purism", "qnap", "qotom", "quanta", "raspberry", "razer", "rm education", "rm plc", "sager", "samsung",
    "schenker", "seco", "sgi", "shuttle", "siemens", "silicon graphics", "slimbook", "solidrun", "sony", "soyo",
    "sugon", "sun microsystems", "super micro", "supermicro", "suyin", "synology", "system76", "t-platforms",
    "teclast", "thomas-krenn", "thirdwave", "timi", "tongfang", "topstar", "toshiba", "trigkey", "tuxedo",
    "twinhead", "tyan", "uniwill", "unowhy", "valve", "versalogic", "via", "viglen", "vit", "wincor", "winfast",
    "wistron", "wiwynn", "wortmann", "xfusion", "xiaomi", "xplore", "yanling", "zotac", "zte", "zt systems",
)  # fmt: skip

MIXED_MAKERS: dict[str, tuple[str, ...]] = {
    "microsoft": ("surface", "windows dev kit", "xbox"),
    "apple": ("mac", "xserve", "powerbook", "ibook"),
    "oracle": ("server", "sun", "netra", "sparc", "exadata"),
    "google": ("",),
    "amazon": (".metal",),
    "alibaba": ("aliserver",),
    "nutanix": ("nx", "nxs"),
    "huawei": ("",),
    "ibm:": ("metal",),
    "ibm": ("",),
    "hitachi": ("",),
}
"""What stands in the product of a real machine of such a maker ("": any product); a virtual one has rows of its own."""

BIOS_MAKERS = ("american megatrends", "award", "phoenix", "insyde", "general software", "ami")
"""Makers of real machines' BIOS."""
