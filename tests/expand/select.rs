// select!
// biased;
// job = jobs.recv() => work(job).await,
// Ok(room) = out.ready(), if !backlog.is_empty() => { room.send(backlog.pop()); }
// out.send(next()) => continue,
// default => idle(),
// else => break,

async fn waits() {
    match {
        let selected = ::roundrock::__private::Select::new(
                &["jobs.recv()", "out.ready()", "out.send(next())"],
            )
            .biased()
            .with_default()
            .with_else()
            .run(::roundrock::__private::Cons {
                event: ::core::option::Option::Some(
                    ::roundrock::__private::event(jobs.recv()),
                ),
                rest: ::roundrock::__private::Cons {
                    event: if !backlog.is_empty() {
                        ::core::option::Option::Some(
                            ::roundrock::__private::event(out.ready()),
                        )
                    } else {
                        ::core::option::Option::None
                    },
                    rest: ::roundrock::__private::Cons {
                        event: ::core::option::Option::Some(
                            ::roundrock::__private::event(
                                ::roundrock::__private::room(out.ready()),
                            ),
                        ),
                        rest: ::roundrock::__private::Nil,
                    },
                },
            })
            .await;
        selected
    } {
        ::roundrock::__private::Selected::Arm(
            ::roundrock::__private::Either::Here(value),
        ) => {
            #[allow(
                clippy::ignored_unit_patterns,
                reason = "every branch has a pattern"
            )]
            let job = value;
            work(job).await
        }
        ::roundrock::__private::Selected::Arm(
            ::roundrock::__private::Either::There(
                ::roundrock::__private::Either::Here(value),
            ),
        ) => {
            #[allow(
                clippy::ignored_unit_patterns,
                reason = "every branch has a pattern"
            )]
            let Ok(room) = value;
            {
                room.send(backlog.pop());
            }
        }
        ::roundrock::__private::Selected::Arm(
            ::roundrock::__private::Either::There(
                ::roundrock::__private::Either::There(
                    ::roundrock::__private::Either::Here(value),
                ),
            ),
        ) => {
            ::roundrock::__private::send_room(value, next());
            ::roundrock::__private::sent();
            continue;
        }
        ::roundrock::__private::Selected::Arm(
            ::roundrock::__private::Either::There(
                ::roundrock::__private::Either::There(
                    ::roundrock::__private::Either::There(never),
                ),
            ),
        ) => match never {}
        ::roundrock::__private::Selected::Default => idle(),
        ::roundrock::__private::Selected::Else => break,
    }
}
