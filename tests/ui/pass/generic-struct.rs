//! Type and const parameters, defaults, bounds on the struct and on the `impl`.

use std::collections::HashMap;
use std::hash::Hash;

use roundrock::prelude::*;

#[process]
pub struct Store<K, V = u8, const N: usize = 4>
where
    K: Clone,
{
    values: HashMap<K, V>,
}

#[handlers]
impl<K, V, const N: usize> Store<K, V, N>
where
    K: Clone + Hash + Eq + Send + 'static,
    V: Clone + Send + 'static,
{
    const LIMIT: usize = N;

    pub fn put(&mut self, key: K, value: V) -> Option<V> {
        if self.values.len() < Self::LIMIT { self.values.insert(key, value) } else { None }
    }
    pub fn size(&self) -> usize {
        self.values.len()
    }
    pub fn merge(&mut self, other: Box<Self>) -> Option<Box<Self>> {
        Some(other)
    }
}

async fn wire<T: Clone + Send + 'static>(scope: &Scope, value: T) -> Result<()> {
    let store: StoreHandle<u8, T, 3> = scope.spawn(Store { values: HashMap::new() });
    let _: Option<T> = store.put(1, value).await?;
    Ok(())
}

fn main() {}
