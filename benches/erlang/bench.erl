%% The workloads on Erlang: processes and mailboxes, which are unbounded.
%% Called as erl +S 2:2 -noshell -run bench main WORKLOAD [scale=F] [secs=F].
-module(bench).
-export([main/1]).
-compile([inline]).

%% statistics(runtime) leaves out system time, so: utime + stime in ticks of 10 ms
cpu() ->
    {ok, B} = file:read_file("/proc/self/stat"),
    [_, R] = string:split(B, ") ", trailing),
    F = string:lexemes(R, " "),
    (binary_to_integer(lists:nth(12, F)) + binary_to_integer(lists:nth(13, F))) / 100.
kb(Key) ->
    {ok, B} = file:read_file("/proc/self/status"),
    {match, [V]} = re:run(B, Key ++ ":\\s+(\\d+)", [{capture, [1], list}]),
    list_to_integer(V).
now_ns() -> erlang:monotonic_time(nanosecond).

start() -> {now_ns(), cpu()}.
stop({T, C}, N) -> {N, (now_ns() - T) / 1.0e9, cpu() - C, [], ""}.
with({N, W, C, X, Note}, K, V) -> {N, W, C, X ++ [{K, V * 1.0}], Note}.
note({N, W, C, X, _}, Note) -> {N, W, C, X, Note}.
lat(O, V) ->
    S = list_to_tuple(lists:sort(V)),
    L = tuple_size(S),
    Q = fun(P) -> case L of 0 -> 0; _ -> element(1 + trunc((L - 1) * P), S) / 1.0e3 end end,
    lists:foldl(fun({K, X}, A) -> with(A, K, X) end, O,
        [{"samples", L}, {"p50_us", Q(0.5)}, {"p99_us", Q(0.99)}, {"p999_us", Q(0.999)}, {"max_us", Q(1.0)}]).
print(W, {N, Wall, Cpu, X, Note}) ->
    Ex = [io_lib:format(",\"~s\":~.3f", [K, V]) || {K, V} <- X],
    Nt = case Note of "" -> ""; _ -> io_lib:format(",\"note\":\"~s\"", [Note]) end,
    io:format("{\"system\":\"erlang\",\"workload\":\"~s\",\"n\":~B,\"wall_s\":~.6f,\"cpu_s\":~.6f,\"rss_kb\":~B,\"ns_per_op\":~.3f~s~s}~n",
        [W, N, Wall, Cpu, kb("VmHWM"), Wall * 1.0e9 / max(1, N), Ex, Nt]).

arg(K, D, As) ->
    case [V || A <- As, [K2, V] <- [string:split(A, "=")], K2 =:= K] of
        [V] -> try list_to_float(V) catch _:_ -> list_to_integer(V) * 1.0 end;
        [] -> D
    end.

main([W | As]) ->
    Sc = arg("scale", 1.0, As),
    N = fun(D) -> trunc(D * Sc) end,
    Me = self(),
    %% an own process with a plain heap runs the workload
    spawn_link(fun() ->
        R = case W of
            "spawn" -> w_spawn(N(1000000));
            "idle_mem" -> idle_mem(N(1000000));
            "wake" -> wake(N(1000000));
            "pingpong" -> note(pingpong(N(2000000)), "mailbox unbounded");
            "ring" -> note(ring(N(5000000)), "mailbox unbounded");
            "stream" -> note(stream(N(20000000), 1), "mailbox unbounded");
            "mpsc" -> note(stream(N(20000000), 4), "mailbox unbounded");
            "stream0" -> note(stream0(N(5000000)), "rendezvous made by an ack per message");
            "forkjoin" -> note(forkjoin(N(1000)), "mailbox unbounded");
            "skynet" -> note(skynet(round(math:pow(10, round(math:log10(N(1000000)))))), "ns per leaf; inner nodes 11% more");
            "router" -> note(router(N(25000)), "no shared channel: sources round-robin over 8 workers; payload a 48-byte binary (heap); a credit of 1 per source by ack");
            "ask" -> ask(N(500000));
            "idle_cpu" -> idle_cpu(N(100000));
            "timers" -> timers(N(100000));
            "fairness" -> fairness();
            "tcp" -> tcp(arg("secs", 3.0, As));
            "list" -> list;
            _ -> halt(3)
        end,
        case R of
            list -> io:format("spawn idle_mem wake pingpong ring stream stream0 mpsc forkjoin skynet router ask idle_cpu timers fairness tcp~n");
            _ -> print(W, R)
        end,
        Me ! finished
    end),
    receive finished -> halt(0) end.

w_spawn(N) ->
    B = min(10000, N),
    M = start(),
    w_spawn(N div B, B),
    stop(M, N div B * B).
w_spawn(0, _) -> ok;
w_spawn(K, B) ->
    Me = self(),
    _ = [spawn(fun() -> Me ! x end) || _ <- lists:seq(1, B)],
    take(x, B),
    w_spawn(K - 1, B).
take(_, 0) -> ok;
take(X, N) -> receive X -> take(X, N - 1) end.
takesum(0, S) -> S;
takesum(N, S) -> receive {sum, X} -> takesum(N - 1, S + X) end.

%% Starts processes that wait, and returns when all of them do.
idle(N) ->
    Me = self(),
    Ps = [spawn(fun() -> Me ! started, receive go -> Me ! x end end) || _ <- lists:seq(1, N)],
    take(started, N),
    Ps.

idle_mem(N) ->
    erlang:garbage_collect(),
    R0 = kb("VmRSS"),
    M = start(),
    Ps = idle(N),
    O = stop(M, N),
    R1 = kb("VmRSS"),
    N = length(Ps),
    with(O, "bytes_per_process", (R1 - R0) * 1024 / N).

wake(N) ->
    Ps = idle(N),
    M = start(),
    lists:foreach(fun(P) -> P ! go end, Ps),
    take(x, N),
    stop(M, N).

pingpong(N) ->
    Me = self(),
    M = start(),
    B = spawn(fun pong/0),
    spawn(fun() -> ping(B, N), B ! stop, Me ! x end),
    take(x, 1),
    stop(M, 2 * N).
ping(_, 0) -> ok;
ping(B, N) -> B ! {self(), N}, receive N -> ping(B, N - 1) end.
pong() -> receive {P, N} -> P ! N, pong(); stop -> ok end.

ring(H) ->
    Me = self(),
    M = start(),
    Last = lists:foldl(fun(_, Next) -> spawn(fun() -> hop(Next, Me) end) end, self(), lists:seq(1, 502)),
    First = spawn(fun() -> hop(Last, Me) end),
    First ! H,
    relay(First),
    O = stop(M, H),
    exit(First, kill),
    O.
hop(Next, Me) -> receive 0 -> Me ! done, hop(Next, Me); V -> Next ! V - 1, hop(Next, Me) end.
relay(First) -> receive done -> ok; 0 -> ok; V -> First ! V - 1, relay(First) end.

stream(N, P) ->
    Me = self(),
    M = start(),
    Per = N div P,
    C = spawn(fun() -> Me ! {sum, recv_n(Per * P, 0)} end),
    _ = [spawn(fun() -> send_n(C, 0, Per) end) || _ <- lists:seq(1, P)],
    S = takesum(1, 0),
    S = P * (Per * (Per - 1) div 2),
    stop(M, Per * P).
send_n(_, N, N) -> ok;
send_n(C, I, N) -> C ! I, send_n(C, I + 1, N).
recv_n(0, S) -> S;
recv_n(N, S) -> receive X -> recv_n(N - 1, S + X) end.

stream0(N) ->
    Me = self(),
    M = start(),
    C = spawn(fun() -> Me ! {sum, recv_ack(N, 0)} end),
    spawn(fun() -> send_ack(C, 0, N) end),
    S = takesum(1, 0),
    S = N * (N - 1) div 2,
    stop(M, N).
send_ack(_, N, N) -> ok;
send_ack(C, I, N) -> C ! {self(), I}, receive ok -> send_ack(C, I + 1, N) end.
recv_ack(0, S) -> S;
recv_ack(N, S) -> receive {P, X} -> P ! ok, recv_ack(N - 1, S + X) end.

forkjoin(Msgs) ->
    Me = self(),
    M = start(),
    Ps = [spawn(fun() -> fj(0, Me) end) || _ <- lists:seq(1, 10000)],
    fj_send(Ps, Msgs),
    lists:foreach(fun(P) -> P ! stop end, Ps),
    S = takesum(10000, 0),
    S = 10000 * Msgs,
    stop(M, S).
fj(C, Me) -> receive stop -> Me ! {sum, C}; _ -> fj(C + 1, Me) end.
fj_send(_, 0) -> ok;
fj_send(Ps, N) -> lists:foreach(fun(P) -> P ! N end, Ps), fj_send(Ps, N - 1).

skynet(N) ->
    Me = self(),
    M = start(),
    spawn(fun() -> sky(Me, 0, N) end),
    S = takesum(1, 0),
    S = N * (N - 1) div 2,
    stop(M, N).
sky(P, Num, 1) -> P ! {sum, Num};
sky(P, Num, Size) ->
    Me = self(),
    Sub = Size div 10,
    _ = [spawn(fun() -> sky(Me, Num + I * Sub, Sub) end) || I <- lists:seq(0, 9)],
    P ! {sum, takesum(10, 0)}.

router(Per) ->
    Me = self(),
    M = start(),
    Sinks = list_to_tuple([spawn(fun() -> sink(0, 0, Me) end) || _ <- lists:seq(1, 16)]),
    Rules = list_to_tuple([((I * 7 + 3) rem 16) + 1 || I <- lists:seq(0, 15)]),
    Ws = list_to_tuple([spawn(fun() -> worker(Rules, Sinks, Me) end) || _ <- lists:seq(1, 8)]),
    _ = [spawn(fun() -> source(A, 0, Per, Ws, Me) end) || A <- lists:seq(0, 399)],
    take(src, 400),
    [W ! {stop} || W <- tuple_to_list(Ws)],
    take(wk, 8),
    [S ! {stop} || S <- tuple_to_list(Sinks)],
    C = takesum(16, 0),
    C = 400 * Per,
    stop(M, C).
source(_, N, N, _, Me) -> Me ! src;
source(A, I, N, Ws, Me) ->
    Id = A bsl 32 bor I,
    Kind = ((Id * 16#9E3779B97F4A7C15) band 16#FFFFFFFFFFFFFFFF) bsr 40,
    B = I band 255,
    W = element(((A + I) band 7) + 1, Ws),
    W ! {ev, self(), Id, Kind, <<B:32, B:32, B:64, B:64, B:64, B:64, B:64>>},
    receive ok -> source(A, I + 1, N, Ws, Me) end.
worker(Rules, Sinks, Me) ->
    receive
        {ev, P, Id, Kind, Pay} ->
            P ! ok,
            element(element((Kind band 15) + 1, Rules), Sinks) ! {e, Id, Kind, Pay},
            worker(Rules, Sinks, Me);
        {stop} -> Me ! wk
    end.
sink(S, C, Me) ->
    receive
        {e, Id, Kind, <<_:40/binary, X:64>>} -> sink((S + Id + Kind + X) band 16#FFFFFFFFFFFFF, C + 1, Me);
        {stop} -> Me ! {sum, C}
    end.

ask(Per) ->
    Me = self(),
    S = spawn(fun() -> server() end),
    M = start(),
    _ = [spawn(fun() -> Me ! {lats, client(S, 0, Per, [])} end) || _ <- lists:seq(1, 8)],
    L = lists:append([receive {lats, V} -> V end || _ <- lists:seq(1, 8)]),
    note(lat(stop(M, 8 * Per), L), "gen-style call: monitor + ref per ask").
client(_, N, N, L) -> L;
client(S, I, N, L) when I band 15 =:= 0 ->
    T = now_ns(),
    X = I + 1,
    X = call(S, I),
    client(S, I + 1, N, [now_ns() - T | L]);
client(S, I, N, L) ->
    X = I + 1,
    X = call(S, I),
    client(S, I + 1, N, L).
call(S, I) ->
    R = erlang:monitor(process, S, [{alias, reply_demonitor}]),
    S ! {call, R, I},
    receive {R, X} -> X; {'DOWN', R, _, _, _} -> exit(noproc) end.
server() -> receive {call, R, I} -> R ! {R, I + 1}, server() end.

idle_cpu(N) ->
    _ = [spawn(fun() -> receive go -> ok end end) || _ <- lists:seq(1, N)],
    timer:sleep(300),
    M = start(),
    timer:sleep(5000),
    stop(M, N).
timers(N) ->
    Me = self(),
    M = start(),
    _ = [spawn(fun() -> Me ! {late, tick(now_ns(), 1, 0)} end) || _ <- lists:seq(1, N)],
    L = [receive {late, V} -> V end || _ <- lists:seq(1, N)],
    note(lat(stop(M, 5 * N), L), "latency fields: worst lateness of each process; ms timers").
tick(_, 6, Late) -> Late;
tick(T0, K, Late) ->
    Due = T0 + K * 1000000000,
    W = max(0, (Due - now_ns() + 999999) div 1000000),
    receive after W -> ok end,
    tick(T0, K + 1, max(Late, now_ns() - Due)).

fairness() ->
    Me = self(),
    T0 = now_ns(),
    Begin = T0 + 50000000,
    End = Begin + 3000000000,
    M = start(),
    spawn(fun() -> Me ! {r, ticker(Begin, End, [], 0)} end),
    timer:sleep(50),
    _ = [spawn(fun() -> hog(End, 0) end) || _ <- [1, 2]],
    {L, D} = receive {r, V} -> V end,
    note(with(lat(stop(M, 1), L), "ticks", D), "ms timers: receive after 1").
ticker(Begin, End, L, D) ->
    Due = now_ns() + 1000000,
    receive after 1 -> ok end,
    Now = now_ns(),
    if
        Now >= End -> {[max(0, Now - Due) | L], D};
        Now > Begin -> ticker(Begin, End, [max(0, Now - Due) | L], D + 1);
        true -> ticker(Begin, End, L, D)
    end.
hog(End, X) ->
    Y = burn(1000, X),
    case now_ns() < End of true -> hog(End, Y); false -> ok end.
burn(0, X) -> X;
burn(N, X) -> burn(N - 1, (X * 31 + N) band 16#FFFFFFFF).

tcp(Secs) ->
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {packet, raw}, {nodelay, true}, {ip, {127, 0, 0, 1}}, {backlog, 128}]),
    {ok, Port} = inet:port(L),
    spawn_link(fun() -> accept(L) end),
    M = start(),
    P = open_port({spawn_executable, os:getenv("BENCH_LOAD")},
        [{args, ["tcp", "127.0.0.1:" ++ integer_to_list(Port), float_to_list(Secs, [{decimals, 1}])]}, exit_status, {line, 1000}]),
    Line = receive {P, {data, {eol, X}}} -> X end,
    {_, _, C, _, _} = stop(M, 0),
    [N, W, CC, P50, P99, P999, Max] = [num(T) || T <- string:tokens(Line, " ")],
    lists:foldl(fun({K, V}, A) -> with(A, K, V) end, {trunc(N), W, C, [], "active once"},
        [{"client_cpu_s", CC}, {"requests_per_s", N / W}, {"p50_us", P50}, {"p99_us", P99}, {"p999_us", P999}, {"max_us", Max}]).
num(T) -> try list_to_float(T) catch _:_ -> list_to_integer(T) * 1.0 end.
accept(L) ->
    {ok, S} = gen_tcp:accept(L),
    P = spawn(fun() -> receive go -> inet:setopts(S, [{active, once}]), echo(S) end end),
    ok = gen_tcp:controlling_process(S, P),
    P ! go,
    accept(L).
echo(S) ->
    receive
        {tcp, S, B} -> gen_tcp:send(S, B), inet:setopts(S, [{active, once}]), echo(S);
        {tcp_closed, S} -> ok
    end.
