//! A message that cannot move to another thread.

use std::rc::Rc;

use roundrock::prelude::*;

fn main() {
    let _ends = rendezvous::<Rc<u8>>();
}
