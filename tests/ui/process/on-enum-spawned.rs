//! `#[process]` on an enum and on a union, which are spawned.

use roundrock::prelude::*;

#[process]
pub enum Light {
    Red,
    Green,
}

#[handlers]
impl Light {
    fn is_red(&self) -> bool {
        matches!(self, Self::Red)
    }
}

#[process(mailbox = 4)]
#[derive(Clone, Copy)]
union Bits<T: Copy> {
    value: T,
}

#[handlers]
impl<T: Copy> Bits<T> {
    fn size(&self) -> usize {
        size_of_val(self)
    }
}

async fn wire(scope: &Scope) -> Result<bool> {
    let light: LightHandle = scope.spawn(Light::Green);
    let bits = scope.spawn(Bits { value: 1_u8 });
    let pool = scope.pool(2, Bits { value: 1_u8 });
    Ok(light.is_red().await? && bits.size().await? == pool.size().await?)
}

fn main() {}
