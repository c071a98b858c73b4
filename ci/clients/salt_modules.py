"""Salt 3006's own modules and states, unmodified, against the programs on the PATH.

salt_modules.py WORK URL: WORK is a scratch directory, URL an image server that offers IMAGE. Exits 1 at the first
answer that is not as expected. Only the question "is this a SmartOS global zone?" is answered for Salt, which asks the
kernel of the machine it runs on.
"""

import copy
import sys
from collections import OrderedDict

import salt.utils.platform

for question in ("is_sunos", "is_smartos", "is_smartos_globalzone"):
    setattr(salt.utils.platform, question, lambda: True)

import salt.config
import salt.loader

IMAGE = "6b1d5c8e-2f7e-4d4b-9a51-0c1f5f2f7a10"
work, url = sys.argv[1:]

options = salt.config.minion_config(None)
options.update(
    root_dir=work, cachedir=f"{work}/cache", pki_dir=f"{work}/pki", conf_file=f"{work}/minion", file_client="local",
    grains={"kernel": "SunOS", "os": "SmartOS", "os_family": "Solaris"}, id="gz", test=False,
)
utils = salt.loader.utils(options)
modules = salt.loader.minion_mods(options, utils=utils)
states = salt.loader.states(options, modules, utils, None)
passed = 0


def check(what, answer, wanted=True):
    """Counts an answer that is as wanted, ends the run at one that is not."""
    global passed
    good = wanted(answer) if callable(wanted) else answer == wanted
    if not good:
        sys.exit(f"salt: {what}: {answer!r}")
    passed += 1


def state(what, name, changes, **arguments):
    """Applies a state twice: it succeeds, changes something the first time only."""
    # Salt writes into what it is given.
    answer = states[what](name=name, **copy.deepcopy(arguments))
    check(f"{what} {name}", answer, lambda a: a["result"] is True and bool(a["changes"]) == changes)
    if changes:
        state(what, name, False, **arguments)


state("smartos.source_present", url, True)
check("imgadm.avail", modules["imgadm.avail"](), lambda a: IMAGE in a)
state("smartos.image_present", IMAGE, True)
check("imgadm.get", modules["imgadm.get"](IMAGE)["manifest"]["uuid"], IMAGE)

config = {
    "auto_import": False,
    "reprovision": False,
}
# As a state file's mapping is parsed: NICs are keyed by their MAC.
nic = OrderedDict(nic_tag="admin", ips=["dhcp"], primary=True)
vm = OrderedDict(
    brand="joyent",
    image_uuid=IMAGE,
    alias="salty",
    max_physical_memory=256,
    quota=5,
    nics=OrderedDict({"02:08:20:99:00:01": nic}),
    tags=OrderedDict(role="web"),
    customer_metadata=OrderedDict({"user-script": "#!/bin/sh\necho \"it's\" $(date)\n"}),
)
state("smartos.vm_present", "salty", True, vmconfig=vm, config=config)
uuids = modules["vmadm.list"](search="hostname=salty", order="uuid")
check("vmadm.list", uuids, lambda a: len(a) == 1)
vm["max_physical_memory"] = 512
vm["tags"] = OrderedDict(role="db")
state("smartos.vm_present", "salty", True, vmconfig=vm, config=config)
got = modules["vmadm.get"]("salty", key="hostname")
check("updated memory", got["max_physical_memory"], 512)
check("updated tags", got["tags"], {"role": "db"})
check("metadata", got["customer_metadata"], dict(vm["customer_metadata"]))
vm["nics"]["02:08:20:99:00:01"] = OrderedDict(nic_tag="admin", ips=["10.99.0.9/24"], primary=True)
vm["nics"]["02:08:20:99:00:02"] = OrderedDict(nic_tag="admin", ips=["dhcp"], vlan_id=7)
state("smartos.vm_present", "salty", True, vmconfig=vm, config=config)
got = modules["vmadm.get"]("salty", key="hostname")
check("updated NICs", [(n["ip"], n.get("vlan_id")) for n in got["nics"]], [("10.99.0.9", None), ("dhcp", 7)])
del vm["nics"]["02:08:20:99:00:02"]
state("smartos.vm_present", "salty", True, vmconfig=vm, config=config)
check("removed NIC", len(modules["vmadm.get"]("salty", key="hostname")["nics"]), 1)
state("smartos.vm_stopped", "salty", True)
state("smartos.vm_running", "salty", True)
check("snapshot", modules["vmadm.create_snapshot"]("salty", "one", key="hostname"))
check("rollback", modules["vmadm.rollback_snapshot"]("salty", "one", key="hostname"))
check("snapshot away", modules["vmadm.delete_snapshot"]("salty", "one", key="hostname"))
check("zoneadm.list", modules["zoneadm.list"](), lambda a: list(uuids)[0] in a)
check("zonecfg.info", modules["zonecfg.info"](list(uuids)[0]), lambda a: a["brand"] == "joyent")

# A disk is known by the end of its path.
disks = OrderedDict({"disk0": OrderedDict(boot=True, model="virtio", size=1024)})
machine = OrderedDict(brand="bhyve", alias="salthvm", ram=512, vcpus=1, autoboot=False, disks=disks, nics=OrderedDict())
state("smartos.vm_present", "salthvm", True, vmconfig=machine, config=config)
disks["disk0"]["size"] = 2048
disks["disk1"] = OrderedDict(model="virtio", size=512)
state("smartos.vm_present", "salthvm", True, vmconfig=machine, config=config)
sizes = lambda: [d["size"] for d in modules["vmadm.get"]("salthvm", key="hostname")["disks"]]
check("grown and added disks", sizes(), [2048, 512])
del disks["disk1"]
state("smartos.vm_present", "salthvm", True, vmconfig=machine, config=config)
check("removed disk", sizes(), [2048])
state("smartos.vm_absent", "salthvm", True)

zone = "saltzone"
# Salt makes the directory above the zonepath on the machine it runs on.
check("zonecfg.create", modules["zonecfg.create"](zone, "joyent", f"{work}/zones/saltzone")["status"])
check("zonecfg.set", modules["zonecfg.set_property"](zone, "autoboot", "true")["status"])
check(
    "zonecfg.add",
    modules["zonecfg.add_resource"](zone, "attr", name="note", type="string", value="hello")["status"],
)
check("zonecfg.export", modules["zonecfg.export"](zone)["message"], lambda a: "hello" in a)
check("zonecfg.delete", modules["zonecfg.delete"](zone)["status"])

state("smartos.vm_absent", "salty", True)
state("smartos.image_absent", IMAGE, True)
state("smartos.source_absent", url, True)
print(f"salt: {passed} passed, 0 failed")
