use super::super::{Budget, CodecError};
use super::item::Item;

/// The extra count of an array, and of a map, beyond themselves and their content.
///
/// With these weights, each counted value takes at most 64 bytes in [`Value`](super::super::Value) and in
/// `serde_json::Value`, whose smallest map takes 632 bytes.
const ARRAY: u32 = 2;
const MAP: u32 = 8;

/// The rest of a budget.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    limit: Budget,
    left: Left,
}

#[derive(Clone, Copy, Debug)]
struct Left {
    depth: u32,
    nodes: u32,
}

impl Meter {
    pub(super) const fn new(budget: Budget) -> Self {
        Self { limit: budget, left: Left { depth: budget.depth, nodes: budget.nodes } }
    }

    /// Returns the whole budget.
    pub(super) const fn limit(&self) -> Budget {
        self.limit
    }

    /// Counts one value.
    #[inline]
    pub(super) const fn node(&mut self) -> Result<(), CodecError> {
        self.count(1)
    }

    #[inline]
    const fn count(&mut self, nodes: u32) -> Result<(), CodecError> {
        match self.left.nodes.checked_sub(nodes) {
            Some(left) => {
                self.left.nodes = left;
                Ok(())
            }
            None => Err(CodecError::TooManyNodes { limit: self.limit.nodes }),
        }
    }

    /// Enters an array or map being read, and adds its extra count.
    #[inline]
    pub(super) fn enter(&mut self, item: Item) -> Result<(), CodecError> {
        self.count(if item == Item::Map { MAP } else { ARRAY })?;
        self.descend()
    }

    /// Enters an array or map being written.
    #[inline]
    pub(super) const fn descend(&mut self) -> Result<(), CodecError> {
        if self.left.depth == 0 {
            return Err(CodecError::TooDeep { limit: self.limit.depth });
        }
        self.left.depth -= 1;
        Ok(())
    }

    /// Leaves an array or map.
    #[inline]
    pub(super) const fn ascend(&mut self) {
        self.left.depth += 1;
    }

    /// Returns the number of levels left.
    pub(super) const fn depth(&self) -> u32 {
        self.left.depth
    }

    /// Restores the number of levels left.
    pub(super) const fn set_depth(&mut self, depth: u32) {
        self.left.depth = depth;
    }
}
