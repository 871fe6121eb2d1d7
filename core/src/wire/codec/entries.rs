//! The entries of a map without duplicates: of equal keys, the last one counts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::super::CodecError;
use super::item::Item;
use super::meter::Meter;
use super::{Cursor, Format};

/// The positions of the entries of a map.
#[derive(Debug)]
pub(super) struct Entries {
    /// Each key at its first position, and its value at its last position.
    pub(super) entries: std::vec::IntoIter<(usize, usize)>,
    /// The end of the map.
    pub(super) end: usize,
}

impl Entries {
    /// Finds the entries of the map that begins at `at`.
    ///
    /// The walk counts against the budget. Nested maps are walked over again for each level, and the count bounds that
    /// work.
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
            // Keys of other kinds match no field.
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
