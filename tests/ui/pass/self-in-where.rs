//! `Self` in the bounds of a block and of a struct is the state, also in what is generated beside them.
#![deny(warnings)]

use std::fmt::Debug;

use roundrock::prelude::*;

trait Local {}

/// Has an owned form.
pub trait Owning {
    /// That form.
    type Owned;
}

/// Has no parameters.
#[process]
#[derive(Debug)]
pub struct Plain {
    n: u32,
}

impl Local for Plain {}
impl Owning for Plain {
    type Owned = u8;
}

#[handlers]
impl Plain
where
    Self: Debug + Local,
    Vec<Self>: Debug,
    <Self as Owning>::Owned: Copy,
    for<'a> &'a Self: Send,
{
    /// Shows it.
    pub fn show(&self) -> String {
        format!("{self:?}")
    }
    /// Waits.
    pub async fn wait(&mut self) {
        sleep(millis(1)).await;
        self.n += 1;
    }
}

/// Counts a copy of itself.
#[process]
pub struct Store<T>
where
    Self: Clone,
{
    value: T,
}

impl<T: Copy> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { value: self.value }
    }
}

#[handlers]
impl<T: PartialEq<Option<Box<Self>>>> Store<T>
where
    Self: Clone,
    T: Send,
{
    /// Compares a copy.
    pub fn is_none(&self) -> bool {
        self.clone().value == None
    }
}

#[derive(Clone, Copy)]
struct Never;

impl<T> PartialEq<Option<T>> for Never {
    fn eq(&self, other: &Option<T>) -> bool {
        other.is_none()
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let plain = scope.spawn(Plain { n: 1 });
    plain.wait().await?;
    assert_eq!(plain.show().await?, "Plain { n: 2 }");
    let store = scope.spawn(Store { value: Never });
    assert!(store.is_none().await?);
    Ok(())
}
