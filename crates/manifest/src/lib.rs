//! VM payloads, VM objects and image manifests: the property table, validation, JSON Schema.
