// The workloads on Go: goroutines and channels, GOMAXPROCS=2. Called as bench-go WORKLOAD [scale=F] [secs=F].
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func cpuS() float64 {
	var ru syscall.Rusage
	syscall.Getrusage(0, &ru)
	return float64(ru.Utime.Sec) + float64(ru.Stime.Sec) + float64(ru.Utime.Usec+ru.Stime.Usec)*1e-6
}
func statusKB(key string) int64 {
	b, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, key) {
			v, _ := strconv.ParseInt(strings.Fields(l)[1], 10, 64)
			return v
		}
	}
	return 0
}

type meter struct {
	t time.Time
	c float64
}

func start() meter { return meter{time.Now(), cpuS()} }

type out struct {
	n         uint64
	wall, cpu float64
	extra     string
	note      string
}

func (m meter) stop(n uint64) *out {
	w := time.Since(m.t).Seconds()
	return &out{n: n, wall: w, cpu: cpuS() - m.c}
}
func (o *out) with(k string, v float64) *out {
	o.extra += fmt.Sprintf(",\"%s\":%.3f", k, v)
	return o
}
func (o *out) lat(v []int64) *out {
	sort.Slice(v, func(i, j int) bool { return v[i] < v[j] })
	q := func(p float64) float64 {
		if len(v) == 0 {
			return 0
		}
		return float64(v[int(float64(len(v)-1)*p)]) / 1e3
	}
	return o.with("samples", float64(len(v))).with("p50_us", q(.5)).with("p99_us", q(.99)).with("p999_us", q(.999)).with("max_us", q(1))
}
func (o *out) print(w string) {
	s := fmt.Sprintf("{\"system\":\"go\",\"workload\":\"%s\",\"n\":%d,\"wall_s\":%.6f,\"cpu_s\":%.6f,\"rss_kb\":%d,\"ns_per_op\":%.3f%s",
		w, o.n, o.wall, o.cpu, statusKB("VmHWM:"), o.wall*1e9/math.Max(1, float64(o.n)), o.extra)
	if o.note != "" {
		s += ",\"note\":\"" + o.note + "\""
	}
	fmt.Println(s + "}")
}

var sink atomic.Uint64

func spawn(n uint64) *out {
	const b = 10000
	m := start()
	for k := uint64(0); k < n/b; k++ {
		var wg sync.WaitGroup
		wg.Add(b)
		for i := 0; i < b; i++ {
			go func() { wg.Done() }()
		}
		wg.Wait()
	}
	return m.stop(n / b * b)
}

// idle starts goroutines that wait, and returns when all of them do.
func idle(n uint64) (cs []chan uint64, join func()) {
	cs = make([]chan uint64, n)
	var started, ended sync.WaitGroup
	started.Add(int(n))
	ended.Add(int(n))
	var sum atomic.Uint64
	for i := range cs {
		c := make(chan uint64, 1)
		cs[i] = c
		go func() {
			started.Done()
			sum.Add(<-c)
			ended.Done()
		}()
	}
	started.Wait()
	return cs, func() {
		for _, c := range cs {
			c <- 1
		}
		ended.Wait()
		if sum.Load() != n {
			panic("sum")
		}
	}
}

func idleMem(n uint64) *out {
	runtime.GC()
	before := statusKB("VmRSS:")
	m := start()
	cs, _ := idle(n)
	o := m.stop(n)
	after := statusKB("VmRSS:")
	runtime.KeepAlive(cs)
	return o.with("bytes_per_process", float64(after-before)*1024/float64(n))
}

func wake(n uint64) *out {
	_, join := idle(n)
	m := start()
	join()
	return m.stop(n)
}

func pingpong(n uint64) *out {
	a, b := make(chan uint64), make(chan uint64)
	done := make(chan bool)
	m := start()
	go func() {
		for i := uint64(0); i < n; i++ {
			a <- i
			if <-b != i {
				panic("x")
			}
		}
		close(a)
		done <- true
	}()
	go func() {
		for v := range a {
			b <- v
		}
		done <- true
	}()
	<-done
	<-done
	o := m.stop(2 * n)
	o.note = "rendezvous"
	return o
}

func ring(hops uint64) *out {
	const k = 503
	cs := make([]chan uint64, k)
	for i := range cs {
		cs[i] = make(chan uint64)
	}
	var wg sync.WaitGroup
	wg.Add(k)
	m := start()
	for i := 0; i < k; i++ {
		in, to := cs[i], cs[(i+1)%k]
		go func() {
			for v := range in {
				if v == 0 {
					break
				}
				to <- v - 1
			}
			wg.Done()
			close(to)
		}()
	}
	cs[0] <- hops
	wg.Wait()
	o := m.stop(hops)
	o.note = "rendezvous"
	return o
}

func stream(n uint64, cap int) *out {
	c := make(chan uint64, cap)
	done := make(chan uint64)
	m := start()
	go func() {
		for i := uint64(0); i < n; i++ {
			c <- i
		}
		close(c)
	}()
	go func() {
		s := uint64(0)
		for v := range c {
			s += v
		}
		done <- s
	}()
	if <-done != n*(n-1)/2 {
		panic("sum")
	}
	return m.stop(n)
}

func many(n uint64, consumers int) *out {
	c := make(chan uint64, 64)
	done := make(chan uint64)
	per := n / 4
	var wg sync.WaitGroup
	wg.Add(4)
	m := start()
	for p := 0; p < 4; p++ {
		go func() {
			for i := uint64(0); i < per; i++ {
				c <- i
			}
			wg.Done()
		}()
	}
	for p := 0; p < consumers; p++ {
		go func() {
			s := uint64(0)
			for v := range c {
				s += v
			}
			done <- s
		}()
	}
	wg.Wait()
	close(c)
	s := uint64(0)
	for p := 0; p < consumers; p++ {
		s += <-done
	}
	if s != 4*(per*(per-1)/2) {
		panic("sum")
	}
	return m.stop(4 * per)
}

func forkjoin(msgs uint64) *out {
	const k = 10000
	m := start()
	done := make(chan uint64, 64)
	cs := make([]chan uint64, k)
	for i := range cs {
		c := make(chan uint64, 16)
		cs[i] = c
		go func() {
			n := uint64(0)
			for range c {
				n++
			}
			done <- n
		}()
	}
	go func() {
		for i := uint64(0); i < msgs; i++ {
			for _, c := range cs {
				c <- i
			}
		}
		for _, c := range cs {
			close(c)
		}
	}()
	s := uint64(0)
	for range cs {
		s += <-done
	}
	if s != k*msgs {
		panic("sum")
	}
	return m.stop(s)
}

func sky(o chan uint64, num, size uint64) {
	if size == 1 {
		o <- num
		return
	}
	c := make(chan uint64, 10)
	for i := uint64(0); i < 10; i++ {
		go sky(c, num+i*(size/10), size/10)
	}
	s := uint64(0)
	for i := 0; i < 10; i++ {
		s += <-c
	}
	o <- s
}
func skynet(n uint64) *out {
	n = uint64(math.Pow10(int(math.Round(math.Log10(float64(n))))))
	m := start()
	c := make(chan uint64, 1)
	go sky(c, 0, n)
	if <-c != n*(n-1)/2 {
		panic("sum")
	}
	o := m.stop(n)
	o.note = "ns per leaf; inner nodes 11% more"
	return o
}

type event struct {
	id      uint64
	kind    uint32
	payload [48]byte
}

func newEvent(src, i uint64) event {
	id := src<<32 | i
	e := event{id: id, kind: uint32((id * 0x9E3779B97F4A7C15) >> 40)}
	for k := range e.payload {
		e.payload[k] = byte(i)
	}
	return e
}
func (e *event) check() uint64 {
	return e.id + uint64(e.kind) + binary.LittleEndian.Uint64(e.payload[40:48])
}

// Computing that takes a certain time on an undisturbed core.
type work struct{ rounds uint64 }

func (w work) run() {
	n := uint64(0)
	for i := uint64(0); i < w.rounds; i++ {
		n = n*31 + i
	}
	if n == 1 {
		sink.Add(n)
	}
}
func lasting(d time.Duration) work {
	const rounds = 20000
	best := time.Hour
	for i := 0; i < 200; i++ {
		t := time.Now()
		work{rounds}.run()
		if e := time.Since(t); e < best {
			best = e
		}
	}
	return work{uint64(d) * rounds / uint64(best)}
}

func compute(per uint64) *out {
	w := lasting(2 * time.Microsecond)
	runtime.GOMAXPROCS(1)
	one := routeAll(per, &w)
	runtime.GOMAXPROCS(2)
	two := routeAll(per, &w)
	return two.with("scaling", one.wall/two.wall)
}

// The burst is over when all have worked; firsts says when each thread came to it.
func burst(bursts uint64) *out {
	const procs = 10000
	type job struct {
		begun  time.Time
		done   atomic.Uint64
		over   atomic.Int64
		mu     sync.Mutex
		firsts map[int]int64
	}
	w := lasting(5 * time.Microsecond)
	ins := make([]chan *job, procs)
	for i := range ins {
		c := make(chan *job, 1)
		ins[i] = c
		go func() {
			for j := range c {
				// A goroutine cannot ask for its P; the thread stands for it. Only the first thousand look.
				if j.done.Load() < 1000 {
					id := syscall.Gettid()
					j.mu.Lock()
					if _, ok := j.firsts[id]; !ok {
						j.firsts[id] = time.Since(j.begun).Nanoseconds()
					}
					j.mu.Unlock()
				}
				w.run()
				if j.done.Add(1) == procs {
					j.over.Store(time.Since(j.begun).Nanoseconds())
				}
			}
		}()
	}
	time.Sleep(50 * time.Millisecond)
	m := start()
	var total int64
	var busy []int64
	for b := uint64(0); b < bursts; b++ {
		j := &job{begun: time.Now(), firsts: map[int]int64{}}
		for _, c := range ins {
			c <- j
		}
		for j.over.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Millisecond)
		total += j.over.Load()
		last := int64(0)
		for _, t := range j.firsts {
			if t > last {
				last = t
			}
		}
		if len(j.firsts) < 2 {
			last = j.over.Load()
		}
		busy = append(busy, last)
	}
	o := m.stop(bursts * procs)
	o.wall = float64(total) / 1e9
	o.lat(busy)
	o.note = "latencies: until both threads were busy, seen by the first thousand processes"
	return o
}

func router(per uint64) *out {
	return routeAll(per, nil)
}

func routeAll(per uint64, w *work) *out {
	const sources = 400
	exp := uint64(0)
	for a := uint64(0); a < sources; a++ {
		for i := uint64(0); i < per; i++ {
			e := newEvent(a, i)
			exp += e.check()
		}
	}
	m := start()
	c := make(chan event)
	var sinks [16]chan event
	type res struct{ s, c uint64 }
	done := make(chan res)
	for i := range sinks {
		k := make(chan event, 8)
		sinks[i] = k
		go func() {
			var r res
			for e := range k {
				r.s += e.check()
				r.c++
			}
			done <- r
		}()
	}
	var src, wk sync.WaitGroup
	wk.Add(8)
	for i := 0; i < 8; i++ {
		go func() {
			var rules [16]uint8
			for i := range rules {
				rules[i] = uint8((i*7 + 3) % 16)
			}
			for e := range c {
				if w != nil {
					w.run()
				}
				sinks[rules[e.kind%16]] <- e
			}
			wk.Done()
		}()
	}
	src.Add(sources)
	for a := uint64(0); a < sources; a++ {
		a := a
		go func() {
			for i := uint64(0); i < per; i++ {
				c <- newEvent(a, i)
			}
			src.Done()
		}()
	}
	src.Wait()
	close(c)
	wk.Wait()
	var t res
	for _, k := range sinks {
		close(k)
	}
	for range sinks {
		r := <-done
		t.s += r.s
		t.c += r.c
	}
	if t.s != exp || t.c != per*sources {
		panic("sum")
	}
	o := m.stop(t.c)
	o.note = "rendezvous"
	return o
}

type req struct {
	x    uint64
	back chan uint64
}

func ask(per uint64) *out {
	c := make(chan req, 64)
	go func() {
		for r := range c {
			r.back <- r.x + 1
		}
	}()
	all := make(chan []int64)
	m := start()
	for k := 0; k < 8; k++ {
		go func() {
			lat := make([]int64, 0, per/16+1)
			for i := uint64(0); i < per; i++ {
				var t time.Time
				if i%16 == 0 {
					t = time.Now()
				}
				b := make(chan uint64, 1)
				c <- req{i, b}
				if <-b != i+1 {
					panic("x")
				}
				if i%16 == 0 {
					lat = append(lat, int64(time.Since(t)))
				}
			}
			all <- lat
		}()
	}
	var v []int64
	for k := 0; k < 8; k++ {
		v = append(v, <-all...)
	}
	o := m.stop(per * 8)
	o.note = "fresh reply channel of cap 1 per ask"
	return o.lat(v)
}

func idleCPU(n uint64) *out {
	cs := make([]chan uint64, n)
	for i := range cs {
		c := make(chan uint64, 1)
		cs[i] = c
		go func() { <-c }()
	}
	time.Sleep(300 * time.Millisecond)
	m := start()
	time.Sleep(5 * time.Second)
	o := m.stop(n)
	for _, c := range cs {
		close(c)
	}
	return o
}

func timers(n uint64) *out {
	c := make(chan int64, 64)
	m := start()
	for i := uint64(0); i < n; i++ {
		go func() {
			worst := time.Duration(0)
			t0 := time.Now()
			for k := time.Duration(1); k <= 5; k++ {
				due := k * time.Second
				time.Sleep(due - time.Since(t0))
				if late := time.Since(t0) - due; late > worst {
					worst = late
				}
			}
			c <- int64(worst)
		}()
	}
	var v []int64
	for i := uint64(0); i < n; i++ {
		v = append(v, <-c)
	}
	o := m.stop(5 * n).lat(v)
	o.note = "latency fields: worst lateness of each process"
	return o
}

func fairness() *out {
	t0 := time.Now()
	begin := 50 * time.Millisecond
	end := begin + 3*time.Second
	done := make(chan bool)
	var late []int64
	during := 0
	m := start()
	go func() {
		for time.Since(t0) < end {
			due := time.Since(t0) + time.Millisecond
			time.Sleep(time.Millisecond)
			now := time.Since(t0)
			if now > begin {
				if now < due {
					now = due
				}
				late = append(late, int64(now-due))
				if now < end {
					during++
				}
			}
		}
		done <- true
	}()
	time.Sleep(begin - time.Since(t0))
	for i := 0; i < 2; i++ {
		go func() {
			x := uint64(0)
			for time.Since(t0) < end {
				for i := uint64(0); i < 1000; i++ {
					x = x*31 + i
				}
			}
			sink.Store(x)
		}()
	}
	<-done
	return m.stop(1).lat(late).with("ticks", float64(during))
}

func tcp(secs string) *out {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				b := make([]byte, 64)
				for {
					if _, err := io.ReadFull(c, b); err != nil {
						return
					}
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			}()
		}
	}()
	return load("tcp", l.Addr(), secs)
}

func hello(secs string) *out {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello, world") })
	go http.Serve(l, mux)
	return load("http", l.Addr(), secs)
}

// load runs the client against a server, and returns what it saw.
func load(workload string, server net.Addr, secs string) *out {
	m := start()
	b, err := exec.Command(os.Getenv("BENCH_LOAD"), workload, server.String(), secs).Output()
	o := m.stop(0)
	if err != nil {
		panic(err)
	}
	var f [7]float64
	for i, s := range strings.Fields(string(b)) {
		f[i], _ = strconv.ParseFloat(s, 64)
	}
	o.n, o.wall = uint64(f[0]), f[1]
	o.with("client_cpu_s", f[2]).with("requests_per_s", f[0]/f[1])
	return o.with("p50_us", f[3]).with("p99_us", f[4]).with("p999_us", f[5]).with("max_us", f[6])
}

func main() {
	runtime.GOMAXPROCS(2)
	scale, secs := 1.0, "3"
	for _, a := range os.Args[2:] {
		k, v, _ := strings.Cut(a, "=")
		switch k {
		case "scale":
			scale, _ = strconv.ParseFloat(v, 64)
		case "secs":
			secs = v
		}
	}
	n := func(d uint64) uint64 { return uint64(float64(d) * scale) }
	var o *out
	switch w := os.Args[1]; w {
	case "list":
		fmt.Println("spawn idle_mem wake pingpong ring stream stream0 mpmc mpsc forkjoin skynet router ask idle_cpu timers fairness tcp http compute burst")
		return
	case "spawn":
		o = spawn(n(1000000))
	case "idle_mem":
		o = idleMem(n(1000000))
	case "wake":
		o = wake(n(1000000))
	case "pingpong":
		o = pingpong(n(2000000))
	case "ring":
		o = ring(n(5000000))
	case "stream":
		o = stream(n(20000000), 64)
	case "stream0":
		o = stream(n(5000000), 0)
		o.note = "rendezvous"
	case "mpmc":
		o = many(n(20000000), 4)
	case "mpsc":
		o = many(n(20000000), 1)
	case "forkjoin":
		o = forkjoin(n(1000))
	case "skynet":
		o = skynet(n(1000000))
	case "router":
		o = router(n(25000))
	case "compute":
		o = compute(n(1000))
	case "burst":
		o = burst(n(20))
	case "ask":
		o = ask(n(500000))
	case "idle_cpu":
		o = idleCPU(n(100000))
	case "timers":
		o = timers(n(100000))
	case "fairness":
		o = fairness()
	case "tcp":
		o = tcp(secs)
	case "http":
		o = hello(secs)
	default:
		os.Exit(3)
	}
	o.print(os.Args[1])
}
