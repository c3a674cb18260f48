//! Aligned columns: a table that adapts to what it is given, and keeps its shape while more comes.

use super::paint::{Paint, Style, safe};

/// Between two columns.
const GAP: usize = 2;
/// A longer cell is cut when it is shown; `-o json` has it whole.
const WIDEST: usize = 90;

/// One cell.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell in a style, its text made safe to show.
    pub fn styled(text: &str, style: Style) -> Self {
        let mut text = safe(text).into_owned();
        if let Some((end, _)) = text.char_indices().nth(WIDEST) {
            text.truncate(end);
            text.push('…');
        }
        Self { text, style }
    }

    /// A cell that is shown whole, however long.
    pub fn whole(text: &str, style: Style) -> Self {
        Self { text: safe(text).into_owned(), style }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::styled(text, Style::Plain)
    }
}

/// Column widths, which only grow.
#[derive(Debug, Default)]
pub struct Columns {
    widths: Vec<usize>,
}

impl Columns {
    /// Makes room for these rows.
    pub fn fit(&mut self, rows: &[Vec<Cell>]) {
        for row in rows {
            self.widths.resize(self.widths.len().max(row.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
    }

    /// One line with its end, without trailing blanks; empty columns take no room.
    pub fn line(&self, row: &[Cell], paint: Paint) -> String {
        let mut out = String::new();
        let mut owed = 0;
        for (cell, width) in row.iter().zip(&self.widths).filter(|(_, width)| **width > 0) {
            if !cell.text.is_empty() {
                out.extend(std::iter::repeat_n(' ', owed));
                out.push_str(&paint.text(cell.style, &cell.text));
                owed = 0;
            }
            owed += width.saturating_sub(cell.width()) + GAP;
        }
        out.push('\n');
        out
    }

    /// All rows, fitted.
    pub fn table(rows: &[Vec<Cell>], paint: Paint) -> String {
        let mut columns = Self::default();
        columns.fit(rows);
        rows.iter().map(|row| columns.line(row, paint)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_without_trailing_blanks_and_colour_takes_no_room() {
        let rows = [
            vec![Cell::styled("deny", Style::Bad), "a".into(), "x".into()],
            vec!["ok".into(), "".into(), "y\n".into()],
            vec!["grün".into(), "bbb".into()],
        ];
        assert_eq!(Columns::table(&rows, Paint(false)), "deny  a    x\nok         y\\u{a}\ngrün  bbb\n");
        assert!(Columns::table(&rows, Paint(true)).starts_with("\x1b[31mdeny\x1b[0m  a    x\n"));
    }

    #[test]
    fn a_long_cell_is_cut() {
        let cell = Cell::from("x".repeat(500).as_str());
        assert_eq!(cell.width(), WIDEST + 1);
    }
}
