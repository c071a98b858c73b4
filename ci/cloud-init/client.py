"""Asks a metadata server with cloud-init's client what a guest asks when it boots. Arguments: SOCKET VM-OBJECT."""

import json
import os
import socket
import sys
import threading
import tty

from cloudinit.sources import DataSourceSmartOS as smartos


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: got {got!r}, not {wanted!r}")
    print(f"ok: {what}")


def ask(name, client, vm):
    """Every question of the data source, and what it must hear."""
    customer = vm["customer_metadata"]
    with client:
        expect(f"{name}: keys", sorted(client.list()), sorted([*customer, "root_pw"]))
        for key in customer:
            expect(f"{name}: {key}", client.get(key), customer[key])
        expect(f"{name}: a password", client.get("root_pw"), "secret")
        expect(f"{name}: uuid", client.get("sdc:uuid"), vm["uuid"])
        expect(f"{name}: hostname", client.get("sdc:hostname"), vm["hostname"])
        expect(f"{name}: nics", client.get_json("sdc:nics"), vm["nics"])
        expect(f"{name}: resolvers", client.get_json("sdc:resolvers"), vm["resolvers"])
        expect(f"{name}: routes", client.get_json("sdc:routes"), [])
        expect(f"{name}: what is not there", client.get("no-such-key"), None)


def serial_line(socket_path):
    """A terminal whose other end is the server: what a guest sees as its second serial port."""
    ours, guests = os.openpty()
    tty.setraw(guests)
    server = socket.socket(socket.AF_UNIX)
    server.connect(socket_path)

    def copy(read, write):
        while data := read(4096):
            write(data)

    for read, write in (
        (lambda size: os.read(ours, size), server.sendall),
        (server.recv, lambda data: os.write(ours, data)),
    ):
        threading.Thread(target=copy, args=(read, write), daemon=True).start()
    return os.ttyname(guests)


def main():
    socket_path, vm_path = sys.argv[1:]
    with open(vm_path, encoding="utf-8") as file:
        vm = json.load(file)
    ask("socket", smartos.JoyentMetadataSocketClient(socket_path), vm)
    device = serial_line(socket_path)
    ask("serial", smartos.JoyentMetadataSerialClient(device, timeout=10), vm)


main()
