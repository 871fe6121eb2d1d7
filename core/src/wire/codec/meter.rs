use super::super::{Budget, CodecError};

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

    /// Counts a value.
    #[inline]
    pub(super) const fn node(&mut self) -> Result<(), CodecError> {
        if self.left.nodes == 0 {
            return Err(CodecError::TooManyNodes { limit: self.limit.nodes });
        }
        self.left.nodes -= 1;
        Ok(())
    }

    /// Enters an array or map.
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
