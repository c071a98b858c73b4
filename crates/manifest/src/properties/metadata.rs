//! Rows for metadata and tags.

use super::Kind::{FlatObject, List};
use super::brands::ANY;
use super::{ElementRule, Encoding, Flatten, Property};

pub(super) const ROWS: &[Property] = &[
    Property::new(
        "customer_metadata",
        FlatObject,
        "Metadata that the VM's user may read and change.",
    )
    .on_omnios()
    .create_receive(ANY)
    .config_json("customer_metadata")
    .flatten(Flatten::Object)
    .default_text("{}"),
    Property::new("internal_metadata", FlatObject, "Metadata that only the operator may change.")
        .on_omnios()
        .create_receive(ANY)
        .config_json("internal_metadata")
        .flatten(Flatten::Object)
        .default_text("{}"),
    Property::new(
        "internal_metadata_namespaces",
        List,
        "Prefixes of metadata keys that are kept in internal_metadata.",
    )
    .on_omnios()
    .payload(ANY)
    .attr("internal-metadata-namespaces")
    .encoding(Encoding::CommaList)
    .flatten(Flatten::Array)
    .default_text("[]")
    .element(ElementRule::AttributeName),
    Property::new("remove_customer_metadata", List, "Keys of customer_metadata to remove.")
        .on_omnios()
        .update(ANY),
    Property::new("remove_internal_metadata", List, "Keys of internal_metadata to remove.")
        .on_omnios()
        .update(ANY),
    Property::new("remove_tags", List, "Tags to remove.").on_omnios().update(ANY),
    Property::new("remove_zone_attributes", List, "Names of zone_attributes to remove.")
        .on_omnios()
        .update_on_omnios(ANY),
    Property::new(
        "set_customer_metadata",
        FlatObject,
        "Keys of customer_metadata to add or change.",
    )
    .on_omnios()
    .update(ANY),
    Property::new(
        "set_internal_metadata",
        FlatObject,
        "Keys of internal_metadata to add or change.",
    )
    .on_omnios()
    .update(ANY),
    Property::new("set_tags", FlatObject, "Tags to add or change.").on_omnios().update(ANY),
    Property::new("set_zone_attributes", FlatObject, "Names of zone_attributes to add or change.")
        .on_omnios()
        .update_on_omnios(ANY),
    Property::new("tags", FlatObject, "Names and values that operators attach to the VM.")
        .on_omnios()
        .create_receive(ANY)
        .config_json("tags")
        .flatten(Flatten::Object),
];
