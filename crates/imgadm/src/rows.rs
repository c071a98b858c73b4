//! Rows of `list`, `avail` and `ancestry`: the manifest's fields and those computed from it, and filters over them.

use serde_json::{Map, Value};

use crate::errors::{Error, Result};
use crate::table::{self, Column, Row};

/// What is known of one image: its manifest and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageInfo {
    /// Everything of the record, `manifest` first, in the order it is printed as JSON.
    pub record: Map<String, Value>,
}

impl ImageInfo {
    /// An image of which only this is known.
    pub fn new(manifest: Value) -> Self {
        let mut record = Map::new();
        record.insert("manifest".into(), manifest);
        Self { record }
    }

    /// The manifest; empty where the record has none.
    pub fn manifest(&self) -> &Value {
        static NONE: Value = Value::Null;
        self.record.get("manifest").unwrap_or(&NONE)
    }

    /// A text field of the manifest; empty where it has none.
    pub fn text(&self, field: &str) -> &str {
        self.manifest().get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub fn pool(&self) -> &str {
        self.record.get("zpool").and_then(Value::as_str).unwrap_or_default()
    }

    pub fn source(&self) -> Option<&str> {
        self.record.get("source").and_then(Value::as_str)
    }
}

/// One `field=value` of the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    field: String,
    want: Want,
}

#[derive(Debug, Clone, PartialEq)]
enum Want {
    Flag(bool),
    Contains(String),
    Exactly(String),
}

impl Filter {
    /// `field=value`, `field=~substring`, `field=true` or `field=false`.
    pub fn parse(argument: &str) -> Result<Self> {
        let (field, value) = argument.split_once('=').ok_or_else(|| {
            Error::usage(format!(
                "invalid filter: \"{argument}\" (must be of the form \"field=value\")"
            ))
        })?;
        let want = match value {
            "true" => Want::Flag(true),
            "false" => Want::Flag(false),
            _ => match value.strip_prefix('~') {
                Some(part) => Want::Contains(part.to_owned()),
                None => Want::Exactly(value.to_owned()),
            },
        };
        Ok(Self { field: field.to_owned(), want })
    }

    /// The filters of a command line. Of several for one field the last one counts (observed).
    pub fn parse_all(arguments: &[String]) -> Result<Vec<Self>> {
        let mut filters: Vec<Self> = Vec::new();
        for argument in arguments {
            let filter = Self::parse(argument)?;
            filters.retain(|earlier| earlier.field != filter.field);
            filters.push(filter);
        }
        Ok(filters)
    }

    /// A filter for one exact value.
    pub fn exactly(field: &str, value: &str) -> Self {
        Self { field: field.to_owned(), want: Want::Exactly(value.to_owned()) }
    }

    /// Whether a row passes. A field that the row has not fails; dots look into objects and lists (`tags.role`).
    pub fn passes(&self, row: &Row) -> bool {
        let Some(actual) = lookup(row, &self.field) else { return false };
        match &self.want {
            Want::Flag(flag) => actual.as_bool() == Some(*flag),
            Want::Contains(part) => match actual {
                Value::Array(items) => items.iter().any(|item| item.as_str() == Some(part)),
                other => plain_text(other).contains(part.as_str()),
            },
            Want::Exactly(text) => plain_text(actual) == *text,
        }
    }
}

fn lookup<'a>(row: &'a Row, path: &str) -> Option<&'a Value> {
    let mut parts = path.split('.');
    let mut value = row.get(parts.next()?)?;
    for part in parts {
        value = match value {
            Value::Object(map) => map.get(part)?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(value)
}

/// A value as a word of the command line would name it; lists are joined by commas.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain_text).collect::<Vec<_>>().join(","),
        other => manifest::json::compact(other),
    }
}

/// The row of an image: the manifest's fields, then those computed for convenience. A manifest that lacks a field or
/// has it with another type only lacks what would be computed from it.
pub fn row(image: &ImageInfo) -> Row {
    let mut row = image.manifest().as_object().cloned().unwrap_or_default();
    add_computed(&mut row, image);
    row
}

fn add_computed(row: &mut Row, image: &ImageInfo) {
    if let Some(at) = row.get("published_at").and_then(Value::as_str).map(str::to_owned) {
        let date: String = at.chars().take(10).collect();
        row.insert("published_date".into(), date.clone().into());
        row.insert("pub".into(), date.into());
        row.insert("published".into(), without_fraction(&at).into());
    }
    for field in ["source", "clones", "zpool"] {
        if let Some(value) = image.record.get(field) {
            row.insert(field.into(), value.clone());
        }
    }
    if let Some(size) = row.get("files").and_then(|files| files.get(0)?.get("size")).cloned() {
        row.insert("size".into(), size);
    }
    if row.get("type").and_then(Value::as_str) == Some("docker") {
        add_docker(row);
    }
}

fn add_docker(row: &mut Row) {
    let Some(tags) = row.get("tags").and_then(Value::as_object).cloned() else { return };
    if let Some(id) = tags.get("docker:id").and_then(Value::as_str) {
        row.insert("docker_id".into(), id.into());
        row.insert("docker_short_id".into(), id.chars().take(12).collect::<String>().into());
    }
    if let Some(repository) = tags.get("docker:repo") {
        row.insert("docker_repo".into(), repository.clone());
    }
    let names: Vec<Value> =
        tags.keys().filter_map(|key| key.strip_prefix("docker:tag:")).map(Value::from).collect();
    row.insert("docker_tags".into(), names.into());
}

/// `2020-01-02T00:00:00.123Z` without its milliseconds.
fn without_fraction(at: &str) -> String {
    match at.strip_suffix('Z').and_then(|rest| rest.rsplit_once('.')) {
        Some((seconds, digits))
            if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            format!("{seconds}Z")
        }
        _ => at.to_owned(),
    }
}

/// The images that pass every filter. With a filter their manifests also carry the computed fields in `-j`: the
/// original computes them in the manifest itself (its `rowFromImageInfo`; in its source, not observed).
pub fn filter(images: Vec<ImageInfo>, filters: &[Filter]) -> Vec<ImageInfo> {
    if filters.is_empty() {
        return images;
    }
    images
        .into_iter()
        .filter_map(|mut image| {
            let row = row(&image);
            if !filters.iter().all(|filter| filter.passes(&row)) {
                return None;
            }
            image.record.insert("manifest".into(), row.into());
            Some(image)
        })
        .collect()
}

/// How a listing is shown.
#[derive(Debug, Default)]
pub struct Listing {
    pub json: bool,
    pub skip_header: bool,
    pub docker: bool,
    pub columns: String,
    /// The fields to sort by; as the images come where there is none.
    pub sort: Option<String>,
}

impl Listing {
    /// The listing as text, ready for standard output.
    pub fn render(&self, images: &[ImageInfo]) -> Result<String> {
        if self.json {
            let records: Vec<Value> =
                images.iter().map(|image| image.record.clone().into()).collect();
            return Ok(format!("{}\n", manifest::json::pretty(&records)));
        }
        let mut rows: Vec<Row> = images.iter().map(row).collect();
        if self.docker {
            rows = table::sort(docker_rows(&rows), &["published_at".to_owned()])?;
            return Ok(table::render(&rows, &docker_columns(), self.skip_header));
        }
        if let Some(fields) = &self.sort {
            rows = table::sort(rows, &table::split_fields(fields))?;
        }
        Ok(table::render(&rows, &Column::list(&self.columns), self.skip_header))
    }
}

fn docker_columns() -> Vec<Column> {
    [
        ("UUID", "uuid"),
        ("REPOSITORY", "docker_repo"),
        ("TAG", "docker_tag"),
        ("IMAGE_ID", "docker_short_id"),
        ("CREATED", "published"),
    ]
    .iter()
    .map(|(header, field)| Column::titled(header, field))
    .collect()
}

/// One row a tag of those docker images that no other image is made from.
fn docker_rows(rows: &[Row]) -> Vec<Row> {
    let origins: Vec<&Value> = rows.iter().filter_map(|row| row.get("origin")).collect();
    let mut shown = Vec::new();
    for row in rows {
        let is_docker = row.get("type").and_then(Value::as_str) == Some("docker");
        if !is_docker || row.get("uuid").is_some_and(|uuid| origins.contains(&uuid)) {
            continue;
        }
        let tags = row.get("docker_tags").and_then(Value::as_array).cloned().unwrap_or_default();
        let tags = if tags.is_empty() { vec![Value::Null] } else { tags };
        for tag in tags {
            let mut one = row.clone();
            one.insert("docker_tag".into(), tag);
            shown.push(one);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn image() -> ImageInfo {
        let mut image = ImageInfo::new(json!({
            "uuid": "u", "name": "base64", "public": true, "published_at": "2020-01-02T00:00:00.250Z",
            "files": [{"size": 12}], "tags": {"role": "os"}
        }));
        image.record.insert("zpool".into(), "zones".into());
        image.record.insert("clones".into(), 2.into());
        image
    }

    #[test]
    fn computed_fields() {
        let row = row(&image());
        assert_eq!(row["pub"], "2020-01-02");
        assert_eq!(row["published"], "2020-01-02T00:00:00Z");
        assert_eq!((row["size"].as_u64(), row["clones"].as_u64()), (Some(12), Some(2)));
        assert!(!row.contains_key("source"));
    }

    #[test]
    fn numbers_are_written_as_javascript_does() {
        let image = ImageInfo::new(json!({"uuid": "u", "image_size": 1024.0, "tags": {"n": 0.5}}));
        let shown = |json, columns: &str| {
            let listing = Listing {
                json,
                skip_header: true,
                columns: columns.to_owned(),
                ..Listing::default()
            };
            listing.render(std::slice::from_ref(&image)).unwrap()
        };
        let table = shown(false, "image_size,tags");
        assert_eq!(table.split_whitespace().collect::<Vec<_>>(), ["1024", "{\"n\":0.5}"]);
        assert!(shown(true, "").contains("\"image_size\": 1024,\n"), "{}", shown(true, ""));
        let by_size = Filter::parse_all(&["image_size=1024".to_owned()]).unwrap();
        assert_eq!(filter(vec![image], &by_size).len(), 1);
    }

    #[test]
    fn filters_match_exactly_in_part_or_as_flags() {
        let row = row(&image());
        for (filter, passes) in [
            ("name=base64", true),
            ("name=base", false),
            ("name=~base", true),
            ("public=true", true),
            ("public=false", false),
            ("tags.role=os", true),
            ("files.0.size=12", true),
            ("nosuch=1", false),
            ("name=true", false),
        ] {
            assert_eq!(Filter::parse(filter).unwrap().passes(&row), passes, "{filter}");
        }
        assert_eq!(
            Filter::parse("nosuch").unwrap_err().message(),
            "invalid filter: \"nosuch\" (must be of the form \"field=value\")"
        );
    }

    #[test]
    fn of_several_filters_for_a_field_the_last_one_counts() {
        let given = ["os=linux", "type=zvol", "os=smartos"].map(str::to_owned);
        let left = Filter::parse_all(&given).unwrap();
        assert_eq!(left, ["type=zvol", "os=smartos"].map(|f| Filter::parse(f).unwrap()));
    }

    #[test]
    fn a_malformed_image_does_not_break_the_table() {
        let broken = ImageInfo::new(json!({
            "uuid": "x", "published_at": 12, "files": "no", "type": "docker", "tags": []
        }));
        let listing = Listing { columns: "uuid,size,pub".into(), ..Listing::default() };
        assert_eq!(listing.render(&[broken]).unwrap(), "UUID  SIZE  PUB\nx     -     -\n");
    }

    #[test]
    fn docker_listing_has_a_row_a_tag_of_the_topmost_images() {
        let images = [
            ImageInfo::new(
                json!({"uuid": "a", "type": "docker", "tags": {"docker:repo": "r", "docker:id": "sha256:0123456789"}}),
            ),
            ImageInfo::new(json!({"uuid": "b", "type": "docker", "origin": "a", "tags": {
                "docker:repo": "r", "docker:id": "0123456789abcdef", "docker:tag:1": true, "docker:tag:2": true}})),
        ];
        let listing = Listing { docker: true, ..Listing::default() };
        assert_eq!(
            listing.render(&images).unwrap(),
            "UUID  REPOSITORY  TAG  IMAGE_ID      CREATED\n\
             b     r           1    0123456789ab  -\n\
             b     r           2    0123456789ab  -\n"
        );
    }
}
