//! Sorting, with one sort for all types.
//!
//! The sort of the standard library is 4,000 lines of LLVM's language for each type and each order. So here it sorts places, by an
//! order that it asks for, and the items are moved when it is done; for lists that people read, and not for millions of items.

use std::cmp::Ordering;

/// Sorts by a key; what is equal keeps its order.
pub(crate) fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    let mut order = places(items.len(), &|one, other| {
        key(&items[one]).cmp(&key(&items[other]))
    });
    // Each cycle of places is walked once; a place that has its item is marked by naming itself.
    for start in 0..order.len() {
        let mut at = start;
        loop {
            let from = std::mem::replace(&mut order[at], at);
            if from == start {
                break;
            }
            items.swap(at, from);
            at = from;
        }
    }
}

/// The place that each item comes from.
fn places(items: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..items).collect();
    places.sort_by(|&one, &other| order(one, other));
    places
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::sort_by_key;

    #[test]
    fn sorts_as_the_standard_library_does() {
        let mut state = 11_u64;
        for items in 0..200 {
            let mut ours: Vec<(u64, usize)> = (0..items)
                .map(|place| {
                    state = state * 48_271 % 0x7fff_ffff;
                    (state % 17, place)
                })
                .collect();
            let mut theirs = ours.clone();
            sort_by_key(&mut ours, |&(key, _)| key);
            theirs.sort_by_key(|&(key, _)| key);
            assert_eq!(ours, theirs);
        }
    }
}
