//! The entries of a map of which, of equal keys, only the last one counts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::super::CodecError;
use super::item::Item;
use super::meter::Meter;
use super::{Cursor, Format};

/// Where the entries of a map lie.
#[derive(Debug)]
pub(super) struct Entries {
    /// Each key, where it came first, and its value, where it came last.
    pub(super) entries: std::vec::IntoIter<(usize, usize)>,
    /// Where the map ends.
    pub(super) end: usize,
}

impl Entries {
    /// Walks over the map that begins at `at`. What it walks over is counted, so that maps in maps, which are walked over
    /// again for each level, are not without end.
    pub(super) fn find(
        format: Format,
        bytes: &[u8],
        at: usize,
        meter: &mut Meter,
    ) -> Result<Self, CodecError> {
        let mut cursor = Cursor::resume(format, bytes, at, *meter);
        let mut entries: Vec<(usize, usize)> = Vec::new();
        let mut names = BTreeMap::new();
        let mut map = cursor.begin_map()?;
        while cursor.next(&mut map)? {
            let key = cursor.position();
            // Keys of other kinds are no fields.
            let name = match cursor.peek()? {
                Item::Str => cursor.clone().str().ok(),
                _ => None,
            };
            cursor.skip()?;
            cursor.value()?;
            let value = cursor.position();
            cursor.skip()?;
            match name.map(|name| names.entry(name)) {
                Some(Entry::Occupied(first)) => {
                    let first: &usize = first.get();
                    entries[*first].1 = value;
                    continue;
                }
                Some(Entry::Vacant(entry)) => {
                    entry.insert(entries.len());
                }
                None => {}
            }
            entries.push((key, value));
        }
        let end = cursor.position();
        *meter = cursor.into_meter();
        Ok(Self { entries: entries.into_iter(), end })
    }
}
