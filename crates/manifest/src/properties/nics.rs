//! Rows for network interfaces and routes.

use super::Kind::{Boolean, FlatObject, Integer, List, ObjectArray, Text, Uuid};
use super::brands::{ANY, HVM, NOT_BHYVE};
use super::{ElementRule, Encoding, Flatten, Property};

/// Why OmniOS has not what depends on it.
const OWN_VNIC: &str = "the brand makes the VNIC, without such a property";

pub(super) const ROWS: &[Property] = &[
    Property::new("add_nics", ObjectArray, "Network interfaces to add.")
        .on_omnios()
        .update(ANY)
        .checked_as("nics"),
    Property::new("nic_driver", Text, "Model of network interfaces that do not name their own.")
        .on_omnios()
        .payload(HVM)
        .attr("nic-driver"),
    Property::new("nics", ObjectArray, "Network interfaces of the VM.")
        .on_omnios()
        .create_receive(ANY)
        .resources("network")
        .flatten(Flatten::ArrayOfObjects),
    Property::new(
        "nics.*.allow_dhcp_spoofing",
        Boolean,
        "Let the VM send packets for other DHCP clients.",
    )
    .on_omnios()
    .add_update(ANY)
    .net_property("allow_dhcp_spoofing")
    .encoding(Encoding::Boolean)
    .default_text("false")
    .updatable(),
    Property::new(
        "nics.*.allow_ip_spoofing",
        Boolean,
        "Let the VM send and receive packets for other IP addresses.",
    )
    .on_omnios()
    .add_update(ANY)
    .net_property("allow_ip_spoofing")
    .encoding(Encoding::Boolean)
    .default_text("false")
    .updatable(),
    Property::new(
        "nics.*.allow_mac_spoofing",
        Boolean,
        "Let the VM send packets from other MAC addresses.",
    )
    .on_omnios()
    .add_update(ANY)
    .net_property("allow_mac_spoofing")
    .encoding(Encoding::Boolean)
    .default_text("false")
    .updatable(),
    Property::new(
        "nics.*.allow_restricted_traffic",
        Boolean,
        "Let the VM send traffic that is neither IPv4, IPv6 nor ARP.",
    )
    .on_omnios()
    .add_update(ANY)
    .net_property("allow_restricted_traffic")
    .encoding(Encoding::Boolean)
    .default_text("false")
    .updatable(),
    Property::new(
        "nics.*.allow_unfiltered_promisc",
        Boolean,
        "Let the guest receive all packets of the VLAN.",
    )
    .on_omnios()
    .add_update(HVM)
    .net_property("allow_unfiltered_promisc")
    .encoding(Encoding::Boolean)
    .default_text("false")
    .updatable(),
    Property::new("nics.*.allowed_dhcp_cids", List, "DHCP client identifiers that the VM may use.")
        .not_on_omnios(OWN_VNIC)
        .add_update(NOT_BHYVE)
        .net_property("allowed_dhcp_cids")
        .encoding(Encoding::CommaList)
        .element(ElementRule::DhcpClientId),
    Property::new("nics.*.allowed_ips", List, "Further addresses that the VM may use.")
        .on_omnios()
        .add_update(ANY)
        .net_property("allowed_ips")
        .encoding(Encoding::CommaList),
    Property::new("nics.*.blocked_outgoing_ports", List, "Ports that the VM may not connect to.")
        .not_on_omnios(OWN_VNIC)
        .add_update(ANY)
        .net_property("blocked_outgoing_ports")
        .encoding(Encoding::NumberList)
        .updatable(),
    Property::new("nics.*.dhcp_server", Boolean, "Let the VM answer DHCP requests.")
        .on_omnios()
        .add_update(ANY)
        .net_property("dhcp_server")
        .encoding(Encoding::Boolean)
        .updatable(),
    Property::new("nics.*.gateway", Text, "IPv4 default router; gateways replaces it.")
        .on_omnios()
        .add_update(ANY)
        .net_property("gateway")
        .updatable(),
    Property::new(
        "nics.*.gateways",
        List,
        "Default routers; IPv6 ones where the brand can have them (not lx).",
    )
    .on_omnios()
    .add_update(ANY)
    .net_property("gateways")
    .encoding(Encoding::CommaList)
    .updatable(),
    Property::new("nics.*.interface", Text, "Name of the interface in the zone, such as net0.")
        .on_omnios()
        .add_update(ANY)
        .net_field("physical"),
    Property::new("nics.*.ip", Text, "IPv4 address, or dhcp; ips replaces it.")
        .on_omnios()
        .add_update(ANY)
        .net_property("ip")
        .updatable(),
    Property::new(
        "nics.*.ips",
        List,
        "Addresses in CIDR form, dhcp or addrconf; of native zones on OmniOS addresses only.",
    )
    .on_omnios()
    .add_update(ANY)
    .net_property("ips")
    .encoding(Encoding::CommaList)
    .updatable(),
    Property::new("nics.*.mac", Text, "MAC address.")
        .on_omnios()
        .add_update(ANY)
        .net_field("mac-addr")
        .default_text("generated")
        .updatable()
        .element(ElementRule::MacAddress),
    Property::new(
        "nics.*.maxbw",
        Integer,
        "Most that the interface may send and receive, in Mbit/s.",
    )
    .not_on_omnios(OWN_VNIC)
    .add_update(ANY)
    .min(1)
    .net_property("maxbw")
    .encoding(Encoding::Number)
    .updatable(),
    Property::new("nics.*.model", Text, "How the interface is presented to the guest.")
        .on_omnios()
        .add_update(HVM)
        .net_property("model")
        .default_text("value of nic_driver")
        .updatable(),
    Property::new("nics.*.mtu", Integer, "Largest packet, in bytes.")
        .not_on_omnios(OWN_VNIC)
        .add_update(ANY)
        .min(576)
        .max(9000)
        .net_property("mtu")
        .encoding(Encoding::Number)
        .updatable(),
    Property::new("nics.*.netmask", Text, "Netmask of ip.")
        .on_omnios()
        .add_update(ANY)
        .net_property("netmask")
        .updatable(),
    Property::new("nics.*.network_uuid", Uuid, "Identifier of the network in an inventory system.")
        .on_omnios()
        .add_update(ANY)
        .net_property("network_uuid")
        .updatable(),
    Property::new("nics.*.nic_tag", Text, "The host's network, by nic tag or etherstub.")
        .on_omnios()
        .add_update(ANY)
        .net_field("global-nic")
        .updatable(),
    Property::new("nics.*.primary", Boolean, "Use this interface's gateway as the default route.")
        .on_omnios()
        .add_update(ANY)
        .net_property("primary")
        .encoding(Encoding::Boolean)
        .updatable(),
    Property::new(
        "nics.*.priority",
        Text,
        "Priority of the interface's packets on the host: low, medium or high.",
    )
    .not_on_omnios(OWN_VNIC)
    .add_update(ANY)
    .element(ElementRule::LinkPriority)
    .net_property("priority")
    .default_text("high")
    .updatable(),
    Property::new(
        "nics.*.secondary_macs",
        List,
        "Further MAC addresses that the VM may send from.",
    )
    .not_on_omnios(OWN_VNIC)
    .add_update(ANY)
    .element(ElementRule::MacAddress)
    .net_property("secondary_macs")
    .encoding(Encoding::CommaList)
    .updatable(),
    Property::new("nics.*.vlan_id", Integer, "VLAN of the interface; 0 means untagged.")
        .on_omnios()
        .add_update(ANY)
        .min(0)
        .max(4095)
        .net_field("vlan-id")
        .encoding(Encoding::Number)
        .default_text("0")
        .updatable(),
    Property::new(
        "nics.*.vrrp_primary_ip",
        Text,
        "Address of the interface that VRRP packets are sent from.",
    )
    .not_on_omnios(OWN_VNIC)
    .add_update(ANY)
    .net_property("vrrp_primary_ip")
    .updatable(),
    Property::new("nics.*.vrrp_vrid", Integer, "VRRP virtual router identifier.")
        .not_on_omnios(OWN_VNIC)
        .add_update(ANY)
        .min(0)
        .max(255)
        .net_property("vrrp_vrid")
        .encoding(Encoding::Number)
        .updatable(),
    Property::new("remove_nics", List, "MAC addresses of interfaces to remove.")
        .on_omnios()
        .update(ANY),
    Property::new("remove_routes", List, "Destinations of routes to remove.")
        .on_omnios()
        .update(ANY),
    Property::new("routes", FlatObject, "Static routes of the zone: destination to gateway.")
        .on_omnios()
        .create_receive(ANY)
        .config_json("routes")
        .flatten(Flatten::Object)
        .default_text("unset"),
    Property::new("set_routes", FlatObject, "Static routes to add or change.")
        .on_omnios()
        .update(ANY),
    Property::new("update_nics", ObjectArray, "Changes to network interfaces, matched by mac.")
        .on_omnios()
        .update(ANY)
        .checked_as("nics"),
];
