"""A stand-in for a Kubernetes API server: it answers what `kubectl exec` asks, and runs the command on this machine.

Two calls matter: the pod, and `exec` over a WebSocket (v5.channel.k8s.io: the first byte of each message is its
channel; kubernetes/kubernetes, staging/src/k8s.io/apimachinery/pkg/util/remotecommand). It proves what the real kubectl
does with a command and its streams. It proves nothing about a cluster.
"""

import contextlib
import json
import subprocess
import threading
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

STDIN, STDOUT, STDERR, ERROR, CLOSE = 0, 1, 2, 3, 255
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"containers": [{"name": "app", "image": "example"}]},
    "status": {"phase": "Running"},
}
ANSWERS: dict[str, object] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [{"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["get"]}],
    },
    "/api/v1/namespaces/default/pods/web": POD,
}


def plain_answer(_connection: ServerConnection, request: Request) -> Response | None:
    """Answer a plain request; None for `exec`, which becomes a WebSocket."""
    path = urlsplit(request.path).path
    if path.endswith("/exec"):
        return None
    found = ANSWERS.get(path)
    status = HTTPStatus.OK if found else HTTPStatus.NOT_FOUND
    missing = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "NotFound",
        "message": f'pods "{path.rpartition("/")[2]}" not found',
        "code": 404,
    }
    body = json.dumps(found or missing).encode()
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
    return Response(status.value, status.phrase, headers, body)


def run_command(connection: ServerConnection) -> None:
    """Run the command of an `exec` request, with its streams on the connection's channels."""
    assert connection.request is not None
    command = parse_qs(urlsplit(connection.request.path).query)["command"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        readers = [
            threading.Thread(target=pass_on, args=(connection, channel, stream))
            for channel, stream in ((STDOUT, child.stdout), (STDERR, child.stderr))
        ]
        for reader in readers:
            reader.start()
        threading.Thread(target=feed, args=(connection, child), daemon=True).start()
        for reader in readers:
            reader.join()
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if child.returncode:
        cause = {"reason": "ExitCode", "message": str(child.returncode)}
        status |= {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [cause]}}
    connection.send(bytes([ERROR]) + json.dumps(status).encode())


def pass_on(connection: ServerConnection, channel: int, stream: object) -> None:
    while chunk := stream.read1(1 << 16):  # type: ignore[attr-defined]
        connection.send(bytes([channel]) + chunk)


def feed(connection: ServerConnection, child: "subprocess.Popen[bytes]") -> None:
    """Hand on what comes for the command's input, until the client closes that channel."""
    assert child.stdin is not None
    with contextlib.suppress(ConnectionClosed, OSError), child.stdin:
        for message in connection:
            assert isinstance(message, bytes)
            if message[0] == CLOSE and message[1] == STDIN:
                return
            if message[0] == STDIN:
                child.stdin.write(message[1:])
                child.stdin.flush()


@contextlib.contextmanager
def api_server() -> Iterator[str]:
    """Give the address of a stand-in that lives as long as the block."""
    protocols = [Subprotocol("v5.channel.k8s.io")]
    with serve(run_command, "127.0.0.1", 0, process_request=plain_answer, subprotocols=protocols) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
