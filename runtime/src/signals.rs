//! Ctrl-C and SIGTERM stop the root scope, and a second signal aborts; SIGUSR1 writes a dump to standard error.

use std::sync::Arc;

use crate::scope::ScopeInner;

#[cfg(feature = "signals")]
pub(crate) use with_signals::{Watch, watch};
#[cfg(not(feature = "signals"))]
pub(crate) use without_signals::{Watch, watch};

#[cfg(not(feature = "signals"))]
mod without_signals {
    use super::{Arc, ScopeInner};

    /// Nothing is watched without the feature.
    #[derive(Debug)]
    pub(crate) struct Watch;

    pub(crate) fn watch(_root: &Arc<ScopeInner>) -> Watch {
        Watch
    }
}

#[cfg(feature = "signals")]
mod with_signals {
    use super::{Arc, ScopeInner};

    use crate::sync::start_thread;

    use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
    use signal_hook::iterator::{Handle, Signals};

    use crate::system::print_error;

    /// Ends the watching thread when dropped.
    #[derive(Debug)]
    pub(crate) struct Watch(Option<Handle>);

    impl Drop for Watch {
        fn drop(&mut self) {
            if let Some(handle) = &self.0 {
                handle.close();
            }
        }
    }

    pub(crate) fn watch(root: &Arc<ScopeInner>) -> Watch {
        let root = Arc::downgrade(root);
        let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGUSR1]) else {
            return Watch(None);
        };
        let handle = signals.handle();
        let wait = move || {
            let mut first = true;
            for signal in signals.forever() {
                if signal == SIGUSR1 {
                    if let Some(root) = root.upgrade() {
                        print_error(format_args!("{}", root.system.dump(None)));
                    }
                    continue;
                }
                let Some(root) = root.upgrade().filter(|_| first) else {
                    // The one way to end at once and still say why: the default action of the signal.
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                    return;
                };
                first = false;
                root.begin_stop(root.system.grace);
            }
        };
        let thread = start_thread("roundrock-signals".to_owned(), Box::new(wait));
        Watch(thread.is_ok().then_some(handle))
    }
}
