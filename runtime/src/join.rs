//! `join!`: several futures of one process at the same time.
//!
//! They are polled one after another with the process's own waker, which nobody clones: what a wait of ours registers costs no
//! reference count, and the detector of leaks sees what the process waits for. In return each wake polls all that are left, so
//! it is for a handful of futures; many belong into processes and a [`JoinSet`](crate::JoinSet).

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use crate::task::current;

/// A future that may be done, with its output.
struct Part<'a, F: Future> {
    future: Pin<&'a mut F>,
    output: Option<F::Output>,
}

impl<'a, F: Future> Part<'a, F> {
    fn new(future: Pin<&'a mut F>) -> Self {
        Self {
            future,
            output: None,
        }
    }

    /// Polls the future unless it is done; true if it is.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        if self.output.is_none()
            && let Poll::Ready(output) = current::noted(|| self.future.as_mut().poll(cx))
        {
            self.output = Some(output);
        }
        self.output.is_some()
    }
}

// Not `async fn`: the type that is returned says that it is `Send`, so that callers need not look inside, where rustc loses
// lifetimes of messages such as `&'static str`.
macro_rules! joins {
    ($($name:ident($($future:ident: $type:ident),+);)+) => {$(
        #[doc = "What `join!` of so many futures waits for."]
        pub fn $name<$($type),+>(
            $($future: $type),+
        ) -> impl Future<Output = ($($type::Output,)+)> + Send
        where
            $($type: Future<Output: Send> + Send,)+
        {
            async move {
            $(let mut $future = pin!($future);)+
            $(let mut $future = Part::new($future.as_mut());)+
            poll_fn(|cx| {
                let mut all = true;
                $(all &= $future.advance(cx);)+
                if !all {
                    return Poll::Pending;
                }
                match ($($future.output.take(),)+) {
                    ($(Some($future),)+) => Poll::Ready(($($future,)+)),
                    _ => unreachable!("all are done, and none was taken"),
                }
            })
            .await
            }
        }
    )+};
}

joins! {
    join_2(a: A, b: B);
    join_3(a: A, b: B, c: C);
    join_4(a: A, b: B, c: C, d: D);
    join_5(a: A, b: B, c: C, d: D, e: E);
    join_6(a: A, b: B, c: C, d: D, e: E, f: F);
    join_7(a: A, b: B, c: C, d: D, e: E, f: F, g: G);
}

/// Waits for 2 to 7 futures, calls or tasks at the same time, and gives their outputs as a tuple, in the order in which they were written.
///
/// Awaits by itself: use it in an `async` block. All run in the current process, so they do not run in parallel, and a panic in
/// one ends all.
///
/// Cancellation: dropping the process's future drops all of them.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (questions, asked) = rendezvous();
/// let (sent, question) = join!(questions.send("why?"), asked.recv());
/// sent?;
/// assert_eq!(question, Some("why?"));
/// # Ok(()) }) }
/// ```
#[macro_export]
macro_rules! join {
    ($a:expr, $b:expr $(,)?) => {
        $crate::__private::join_2(
            ::core::future::IntoFuture::into_future($a),
            ::core::future::IntoFuture::into_future($b),
        )
        .await
    };
    ($a:expr, $b:expr, $c:expr $(,)?) => {
        $crate::__private::join_3(
            ::core::future::IntoFuture::into_future($a),
            ::core::future::IntoFuture::into_future($b),
            ::core::future::IntoFuture::into_future($c),
        )
        .await
    };
    ($a:expr, $b:expr, $c:expr, $d:expr $(,)?) => {
        $crate::__private::join_4(
            ::core::future::IntoFuture::into_future($a),
            ::core::future::IntoFuture::into_future($b),
            ::core::future::IntoFuture::into_future($c),
            ::core::future::IntoFuture::into_future($d),
        )
        .await
    };
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr $(,)?) => {
        $crate::__private::join_5(
            ::core::future::IntoFuture::into_future($a),
            ::core::future::IntoFuture::into_future($b),
            ::core::future::IntoFuture::into_future($c),
            ::core::future::IntoFuture::into_future($d),
            ::core::future::IntoFuture::into_future($e),
        )
        .await
    };
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr $(,)?) => {
        $crate::__private::join_6(
            ::core::future::IntoFuture::into_future($a),
            ::core::future::IntoFuture::into_future($b),
            ::core::future::IntoFuture::into_future($c),
            ::core::future::IntoFuture::into_future($d),
            ::core::future::IntoFuture::into_future($e),
            ::core::future::IntoFuture::into_future($f),
        )
        .await
    };
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr, $g:expr $(,)?) => {
        $crate::__private::join_7(
            ::core::future::IntoFuture::into_future($a),
            ::core::future::IntoFuture::into_future($b),
            ::core::future::IntoFuture::into_future($c),
            ::core::future::IntoFuture::into_future($d),
            ::core::future::IntoFuture::into_future($e),
            ::core::future::IntoFuture::into_future($f),
            ::core::future::IntoFuture::into_future($g),
        )
        .await
    };
}
