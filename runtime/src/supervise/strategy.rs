//! Who is stopped and started again together with a child that failed.

use std::ops::RangeFrom;

/// Erlang's restart strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Strategy {
    #[default]
    OneForOne,
    OneForAll,
    RestForOne,
}

impl Strategy {
    /// The children, by their place in the order of starting, that share the fate of `failed`; none if it is alone.
    pub(super) fn affected(self, failed: u64) -> Option<RangeFrom<u64>> {
        match self {
            Self::OneForOne => None,
            Self::OneForAll => Some(0..),
            Self::RestForOne => Some(failed..),
        }
    }
}
