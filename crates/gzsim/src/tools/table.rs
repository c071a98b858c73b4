//! Tables as illumos's tools print them.

/// Rows of text under headers.
#[derive(Debug)]
pub struct Table {
    headers: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub fn new(headers: impl Iterator<Item = String>) -> Self {
        Self { headers: headers.collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl Iterator<Item = String>) {
        self.rows.push(cells.collect());
    }

    /// Colon-separated lines without headers; `:` and `\` in a cell are escaped, unless it is the only one.
    pub fn parsable(&self) -> String {
        let escape = |cell: &String| {
            if self.headers.len() == 1 {
                cell.clone()
            } else {
                cell.replace('\\', "\\\\").replace(':', "\\:")
            }
        };
        let lines = self.rows.iter().map(|row| {
            let mut line = row.iter().map(escape).collect::<Vec<_>>().join(":");
            line.push('\n');
            line
        });
        lines.collect()
    }

    /// Columns as wide as their widest cell, with headers.
    pub fn aligned(&self) -> String {
        let width = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            cells.chain(self.headers.get(at)).map(String::len).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headers.len()).map(width).collect();
        let mut text = String::new();
        for row in std::iter::once(&self.headers).chain(&self.rows) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            text.push_str(cells.collect::<Vec<_>>().join(" ").trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let mut table = Table::new(["LINK", "ADDRESS"].map(str::to_owned).into_iter());
        table.row(["net0", "2:8"].map(str::to_owned).into_iter());
        assert_eq!(table.parsable(), "net0:2\\:8\n");
        assert_eq!(table.aligned(), "LINK ADDRESS\nnet0 2:8\n");
    }
}
