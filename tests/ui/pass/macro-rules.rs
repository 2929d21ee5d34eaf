//! What `macro_rules!` puts into an invisible group is what it would be without one.

#![deny(warnings)]

use roundrock::prelude::*;

macro_rules! counter {
    (
        $(#[$meta:meta])* $vis:vis $name:ident, $itself:ty, $state:ty, $input:ty, $context:ty, $reply:ty, $output:ty;
        $mailbox:literal, $label:literal, $period:literal, $pattern:pat_param, $value:expr, $path:path;
        $body:block, $nothing:block, $fallible:block
    ) => {
        $(#[$meta])*
        #[process(mailbox = $mailbox, name = $label)]
        $vis struct $name {
            $vis state: $state,
            $vis input: $input,
        }

        #[handlers]
        impl $itself {
            $vis fn get(&self) -> $state {
                self.state.clone()
            }
            $vis fn constant(&self) -> $state $body
            $vis fn set(&mut self, #[key] value: $state, $pattern: ($state, u8), cx: $context) {
                self.state = value;
                cx.stop();
            }
            $vis async fn fallible(&self, _value: $path) -> $output $fallible
            $vis fn later(&self, reply: $reply) {
                reply.send($value);
            }
            #[recv(input)]
            fn taken(&mut self, value: $state) {
                self.state = value;
            }
            #[every($period)]
            fn tick(&mut self) $nothing
            #[on_start]
            async fn start(&mut self, _cx: $context) $nothing
            #[on_stop]
            $vis fn end(&mut self) $nothing
        }
    };
}

counter! {
    /// Counts.
    #[derive(Clone)]
    pub Counter, Counter, Vec<u8>, Receiver<Vec<u8>>, &mut Cx, Reply<Vec<u8>>, Result<u8, std::io::Error>;
    4, "counter", "1s", (_first, _), vec![1], std::string::String;
    { vec![1] }, {}, { Ok(1) }
}

counter! {
    Private, Private, u8, Receiver<u8>, &mut Cx<Self>, Reply<u8>, Result<u8>;
    1, "private", "1s", _, 1 + 1, u8;
    { 2 }, {}, { bail!("no") }
}

macro_rules! functions {
    (
        $name:ident, $vis:vis, $input:ty, $lent:ty, $owned:ty, $inbox:ty, $size:literal, $scope:ty, $context:ty;
        $pattern:pat_param, $output:ty, $body:block;
        $blocking:ident, $kind:ident, $plain:block
    ) => {
        #[process]
        $vis async fn $name(
            _input: $input,
            _lent: $lent,
            _owned: $owned,
            $pattern: (u8, u8),
            #[inbox($size)] _own: $inbox,
            _scope: $scope,
            _context: $context,
        ) -> $output $body

        #[process($kind)]
        $vis fn $blocking(_lent: &$owned) $plain
    };
}

functions! {
    route, pub, &Receiver<u8>, &String, Sender<u8>, &Receiver<u8>, 8, &Scope, &mut Cx;
    (_, _), Result<u8>, { Ok(1) };
    work, blocking, {}
}

macro_rules! select_of {
    ($pattern:pat, $event:expr, $guard:expr, $body:block, $value:expr, $send:expr, $binding:ident, $input:ident, $channel:expr) => {
        select! {
            biased;
            $pattern = $event, if $guard => $body
            $binding = $input.recv() => $binding,
            _ = $channel.recv() => $value,
            $send => $body
            default => $body
            else => $value,
        }
    };
}

async fn selects(first: &Receiver<u8>, second: &Receiver<u8>, out: &Sender<u8>) -> u8 {
    let third = [second.clone()];
    select_of!(_, first.recv(), first.len() > 1, { let one = 1; one + 1 }, 1 + 1, out.send(1), n, second, third[0])
}

macro_rules! tests {
    ($name:ident, $threads:ident, $seeds:literal, $sim:ty, $scope:ty, $body:block, $output:ty) => {
        #[roundrock::test(seeds = $seeds)]
        async fn $name(_sim: $sim) $body

        #[roundrock::test(real)]
        async fn $threads(_scope: $scope) -> $output { Ok(()) }
    };
}

tests!(simulated, threads, 2, &roundrock::Sim, &Scope, {}, Result<()>);

macro_rules! attributes {
    ($name:ident, $role:meta, $key:meta, $field:ident, $size:expr, $period:expr, $other:tt) => {
        #[process(mailbox = $size, name = $period, blocking)]
        struct $name {
            $field: Receiver<u8>,
        }

        #[handlers]
        impl $name {
            #[$role]
            fn role(&mut self) {}
            #[recv($field)]
            fn taken(&mut self, _message: u8) {}
            #[every($period)]
            fn tick(&mut self) {}
            #[handler(name = $other)]
            fn keyed(&mut self, #[$key] _key: u8) {}
        }
    };
}

attributes!(First, on_start, key, input, 4, "1s", other);
attributes!(Last, on_stop, roundrock::key, jobs, 1, "2m", put);

macro_rules! item {
    ($item:item) => {
        #[process]
        $item
    };
}

item! {
    async fn whole(_lent: &String) -> Result<()> {
        Ok(())
    }
}

item! {
    pub struct Whole {
        n: u8,
    }
}

macro_rules! block {
    ($($member:item)*) => {
        #[handlers]
        impl Whole {
            $($member)*
        }
    };
}

block! {
    const N: u8 = 1;
    pub fn get(&self) -> u8 {
        self.n + Self::N
    }
}

macro_rules! app {
    ($workers:literal, $scope:ident, $lent:ty, $output:ty, $body:block) => {
        #[roundrock::main(workers = $workers)]
        async fn main($scope: $lent) -> $output $body
    };
}

app!(2, scope, &Scope, Result<()>, {
    let (out, input) = bounded(1);
    let counter = scope.spawn(Counter { state: vec![], input });
    let _: Vec<u8> = counter.get().await?;
    let _: Vec<u8> = counter.constant().await?;
    let _: Vec<u8> = counter.later().await?;
    let _: u8 = counter.fallible(String::new()).await?;
    counter.set(vec![1], (vec![], 1)).await?;
    let (bytes, raw) = bounded(1);
    let private = scope.spawn(Private { state: 1, input: raw.clone() });
    let _ = (private.get().await?, private.constant().await?, private.later().await?);
    let _ = private.fallible(1).await.is_err();
    private.set(1, (1, 1)).await?;
    let routed = scope.spawn(route(raw.clone(), String::new(), bytes.clone(), (1, 2)));
    let _ = routed._own();
    scope.spawn(work(bytes.clone())).await?;
    scope.spawn(whole(String::new())).await?;
    scope.spawn(First { input: raw.clone() }).other(1).await?;
    scope.spawn(Last { jobs: raw.clone() }).put(1).await?;
    let _: u8 = scope.spawn(Whole { n: 1 }).get().await?;
    let _ = selects(&raw, &raw, &bytes).await;
    drop(out);
    scope.stop(secs(1)).await;
    Ok(())
});
