//! Everything inside the body of a function, and in a module.

use roundrock::prelude::*;

mod inner {
    use roundrock::prelude::*;

    #[process]
    pub(crate) struct Counter {
        pub(crate) n: u8,
    }
}

use inner::Counter;

#[handlers]
impl inner::Counter {
    pub fn get(&self) -> u8 {
        self.n
    }
}

async fn wire(scope: &Scope) -> Result<()> {
    #[process]
    struct Local;

    #[handlers]
    impl Local {
        fn get(&self) -> u8 {
            1
        }
    }

    #[process]
    async fn local(n: u8) {
        let _ = n;
    }

    scope.spawn(local(scope.spawn(Local).get().await?));
    scope.spawn(Counter { n: 1 }).get().await?;
    Ok(())
}

fn main() {}
