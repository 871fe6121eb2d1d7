use super::super::{Budget, CodecError};
use super::item::Item;

/// What an array and a map count beyond themselves and what is in them. So weighed, each value takes no more than 64
/// bytes in [`Value`](super::super::Value) and in `serde_json::Value`, whose smallest map takes 632 bytes.
const ARRAY: u32 = 2;
const MAP: u32 = 8;

/// What is left of a budget.
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

    /// The whole budget.
    pub(super) const fn limit(&self) -> Budget {
        self.limit
    }

    /// Counts a value.
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

    /// Enters an array or map that is read, and counts what it takes by itself.
    #[inline]
    pub(super) fn enter(&mut self, item: Item) -> Result<(), CodecError> {
        self.count(if item == Item::Map { MAP } else { ARRAY })?;
        self.descend()
    }

    /// Enters an array or map that is written.
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

    /// How many levels are left.
    pub(super) const fn depth(&self) -> u32 {
        self.left.depth
    }

    /// Goes back to where so many levels were left.
    pub(super) const fn set_depth(&mut self, depth: u32) {
        self.left.depth = depth;
    }
}
