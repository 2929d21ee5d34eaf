//! Values by number, in the order of their numbers: what a `BTreeMap<u64, V>` does, with one tree for all types of values.
//!
//! A tree is 5,000 to 12,000 lines of LLVM's language for each type of its values, and this crate needs a dozen; together they were
//! a seventh of all that is given to LLVM when it is built. So the tree says only where a value lies in a list.
//!
//! **Invariants**
//! - Each number of the tree has a place of its own, which is full; all other places are empty and free.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

/// Values by number. See the header.
#[derive(Debug)]
pub(crate) struct Numbered<V> {
    order: BTreeMap<u64, usize>,
    places: Vec<Option<V>>,
    free: Vec<usize>,
}

impl<V> Default for Numbered<V> {
    fn default() -> Self {
        Self {
            order: BTreeMap::new(),
            places: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<V> Numbered<V> {
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.order.contains_key(&number)
    }

    /// Puts a value in; gives back what had its number.
    pub(crate) fn insert(&mut self, number: u64, value: V) -> Option<V> {
        let place = self.place(number);
        self.places[place].replace(value)
    }

    /// Gives the place of a number, which is empty if the number is new.
    fn place(&mut self, number: u64) -> usize {
        let next = self.free.last().copied().unwrap_or(self.places.len());
        let place = *self.order.entry(number).or_insert(next);
        if place == self.places.len() {
            self.places.push(None);
        } else if self.free.last() == Some(&place) {
            self.free.pop();
        }
        place
    }

    pub(crate) fn get(&self, number: u64) -> Option<&V> {
        let place = *self.order.get(&number)?;
        self.places[place].as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut V> {
        let place = *self.order.get(&number)?;
        self.places[place].as_mut()
    }

    /// The value of a number, which is made if there is none.
    pub(crate) fn get_or_insert_with(&mut self, number: u64, make: impl FnOnce() -> V) -> &mut V {
        let place = self.place(number);
        self.places[place].get_or_insert_with(make)
    }

    pub(crate) fn remove(&mut self, number: u64) -> Option<V> {
        let place = self.order.remove(&number)?;
        self.free.push(place);
        self.places[place].take()
    }

    /// The value of the lowest number.
    pub(crate) fn first(&self) -> Option<&V> {
        let (_, &place) = self.order.first_key_value()?;
        self.places[place].as_ref()
    }

    pub(crate) fn first_mut(&mut self) -> Option<&mut V> {
        let (_, &place) = self.order.first_key_value()?;
        self.places[place].as_mut()
    }

    /// The highest number, and its value.
    pub(crate) fn last(&self) -> Option<(u64, &V)> {
        let (&number, &place) = self.order.last_key_value()?;
        Some((number, self.places[place].as_ref()?))
    }

    pub(crate) fn pop_last(&mut self) -> Option<(u64, V)> {
        let (number, place) = self.order.pop_last()?;
        self.free.push(place);
        Some((number, self.places[place].take()?))
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = u64> {
        self.order.keys().copied()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.order
            .values()
            .filter_map(|&place| self.places[place].as_ref())
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &V)> {
        self.range(..)
    }

    pub(crate) fn range(
        &self,
        numbers: impl RangeBounds<u64>,
    ) -> impl DoubleEndedIterator<Item = (u64, &V)> {
        self.order
            .range(numbers)
            .filter_map(|(&number, &place)| Some((number, self.places[place].as_ref()?)))
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        let mut places = self.places;
        self.order
            .into_values()
            .filter_map(move |place| places[place].take())
    }
}

/// A set of numbers, in order.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Numbered<()>);

impl Numbers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.0.contains(number)
    }

    pub(crate) fn insert(&mut self, number: u64) {
        self.0.insert(number, ());
    }

    pub(crate) fn remove(&mut self, number: u64) -> bool {
        self.0.remove(number).is_some()
    }

    pub(crate) fn first(&self) -> Option<u64> {
        self.0.numbers().next()
    }

    pub(crate) fn last(&self) -> Option<u64> {
        self.0.last().map(|(number, ())| number)
    }
}

impl FromIterator<u64> for Numbers {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let numbers = numbers.into_iter();
        Self(numbers.map(|number| (number, ())).collect())
    }
}

impl<V> FromIterator<(u64, V)> for Numbered<V> {
    fn from_iter<I: IntoIterator<Item = (u64, V)>>(values: I) -> Self {
        let mut all = Self::default();
        for (number, value) in values {
            all.insert(number, value);
        }
        all
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeMap;

    use super::Numbered;
    /// The same as a tree of the values themselves, for ten thousand operations.
    #[test]
    fn does_what_a_tree_does() {
        // The generator of Lehmer.
        let mut state = 7_u64;
        let mut below = |n: u64| {
            state = state * 48_271 % 0x7fff_ffff;
            state % n
        };
        let mut tree: BTreeMap<u64, u64> = BTreeMap::new();
        let mut ours = Numbered::default();
        for step in 0..10_000_u64 {
            let number = below(50);
            match below(7) {
                0 | 1 => assert_eq!(ours.insert(number, step), tree.insert(number, step)),
                2 | 3 => assert_eq!(ours.remove(number), tree.remove(&number)),
                4 => assert_eq!(
                    ours.get_or_insert_with(number, || step),
                    tree.entry(number).or_insert(step)
                ),
                5 if step % 10 == 0 => assert_eq!(ours.pop_last(), tree.pop_last()),
                _ => assert_eq!(ours.get_mut(number), tree.get_mut(&number)),
            }
            assert_eq!((ours.len(), ours.is_empty()), (tree.len(), tree.is_empty()));
            assert_eq!(ours.get(number), tree.get(&number));
            assert_eq!(ours.contains(number), tree.contains_key(&number));
            assert_eq!(ours.first(), tree.values().next());
            assert_eq!(ours.last(), tree.last_key_value().map(|(&n, v)| (n, v)));
            assert!(ours.values().eq(tree.values()));
            assert!(ours.numbers().eq(tree.keys().copied()));
            let rest = ours.range(number..).rev();
            assert!(rest.eq(tree.range(number..).rev().map(|(&n, v)| (n, v))));
            assert!(ours.places.len() <= 50, "places are used again");
        }
        assert!(ours.into_values().eq(tree.into_values()));
    }
}
