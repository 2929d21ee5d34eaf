// select!
// biased;
// job = jobs.recv() => work(job).await,
// Ok(room) = out.ready(), if !backlog.is_empty() => { room.send(backlog.pop()); }
// out.send(next()) => continue,
// default => idle(),
// else => break,

async fn waits() {
    {
        enum __Arm<A0, A1, A2> {
            A0(A0),
            A1(A1),
            A2(A2),
        }
        match {
            let mut event_0 = ::core::pin::pin!(
                ::core::option::Option::Some(::roundrock::__private::event(jobs.recv()))
            );
            let mut event_1 = ::core::pin::pin!(
                if ! backlog.is_empty() {
                ::core::option::Option::Some(::roundrock::__private::event(out.ready()))
                } else { ::core::option::Option::None }
            );
            let mut event_2 = ::core::pin::pin!(
                ::core::option::Option::Some(::roundrock::__private::event(out.ready()))
            );
            let selected = ::roundrock::__private::Select::new(
                    &["jobs.recv()", "out.ready()", "out.send(next())"],
                )
                .biased()
                .with_default()
                .with_else()
                .run(|arm, cx| match arm {
                    0 => {
                        ::roundrock::__private::poll_arm(event_0.as_mut(), cx)
                            .map(__Arm::A0)
                    }
                    1 => {
                        ::roundrock::__private::poll_arm(event_1.as_mut(), cx)
                            .map(__Arm::A1)
                    }
                    _ => {
                        ::roundrock::__private::poll_arm(event_2.as_mut(), cx)
                            .map(__Arm::A2)
                    }
                })
                .await;
            selected
        } {
            ::roundrock::__private::Selected::Arm(__Arm::A0(value)) => {
                let job = value;
                work(job).await
            }
            ::roundrock::__private::Selected::Arm(__Arm::A1(value)) => {
                let Ok(room) = value;
                {
                    room.send(backlog.pop());
                }
            }
            ::roundrock::__private::Selected::Arm(__Arm::A2(value)) => {
                let _ = ::roundrock::__private::send_ready(value, next());
                continue;
            }
            ::roundrock::__private::Selected::Default => idle(),
            ::roundrock::__private::Selected::Else => break,
        }
    }
}
