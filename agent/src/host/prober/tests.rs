use std::collections::HashSet;
use std::future::Future;
use std::sync::mpsc;
use std::thread::ThreadId;

use super::*;
use crate::host::mounts::Mount;
use protocol::requests::info::Space;

const LIMIT: Duration = Duration::from_millis(200);
/// Far more than anything takes here; only a fault lasts as long.
const PATIENCE: Duration = Duration::from_secs(20);

/// File systems of which those under `/stuck` answer only when they are told to.
struct Machine {
    prober: Prober<Mount, Space>,
    seen: Arc<Mutex<Seen>>,
    release: mpsc::Sender<()>,
    /// Ends when nothing holds the probe any more.
    ended: mpsc::Receiver<()>,
}

#[derive(Default)]
struct Seen {
    calls: Vec<String>,
    threads: HashSet<ThreadId>,
}

impl Machine {
    fn new() -> Machine {
        Machine::with_limit(LIMIT)
    }

    fn with_limit(limit: Duration) -> Machine {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let (release, released) = mpsc::channel();
        let (holds, ended) = mpsc::channel();
        let (noted, released) = (seen.clone(), Mutex::new(released));
        let probe = move |mount: &Mount| {
            let _holds = &holds;
            let mut seen = noted.lock().unwrap();
            seen.calls.push(mount.point.clone());
            seen.threads.insert(thread::current().id());
            drop(seen);
            if mount.point.starts_with("/stuck") {
                let _ = released.lock().unwrap().recv();
            }
            Ok(space(mount.point.len()))
        };
        Machine { prober: Prober::new("disks", limit, Arc::new(probe)), seen, release, ended }
    }

    async fn ask(&self, points: &[&str]) -> Vec<Answer<Space>> {
        let mounts: Vec<Mount> = points.iter().map(|point| mount(point, 1)).collect();
        self.prober.ask(&mounts).answers().await
    }

    fn calls(&self, point: &str) -> usize {
        self.seen.lock().unwrap().calls.iter().filter(|call| *call == point).count()
    }

    fn threads(&self) -> usize {
        self.seen.lock().unwrap().threads.len()
    }
}

fn mount(point: &str, minor: u32) -> Mount {
    let text = |text: &str| text.to_owned();
    Mount { device: (0, minor), point: text(point), kind: text("nfs"), source: text("s:/"), read_only: false }
}

fn space(size: usize) -> Space {
    Space { size_bytes: size as u64, free_bytes: 0, available_bytes: 0, inodes: 0, inodes_free: 0 }
}

fn problem(answer: &Answer<Space>) -> &str {
    answer.as_ref().unwrap_err()
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it hangs")
}

#[tokio::test]
async fn the_living_are_answered_by_one_thread() {
    let machine = Machine::new();
    for _ in 0..50 {
        assert_eq!(machine.ask(&["/", "/home", "/a"]).await, [Ok(space(1)), Ok(space(5)), Ok(space(2))]);
    }
    assert_eq!(machine.threads(), 1);
    assert!(machine.ask(&[]).await.is_empty());
}

#[tokio::test]
async fn one_that_hangs_costs_nobody_else_an_answer() {
    let machine = Machine::new();
    let answers = in_time(machine.ask(&["/", "/stuck", "/home"])).await;
    assert_eq!((&answers[0], &answers[2]), (&Ok(space(1)), &Ok(space(5))));
    assert_eq!(problem(&answers[1]), "did not answer within 0.2 s");
}

#[tokio::test]
async fn one_that_hangs_is_asked_once_and_waited_for_once() {
    let machine = Machine::new();
    // The last one, so that its thread is still the one that takes from the queue.
    in_time(machine.ask(&["/", "/home", "/stuck"])).await;
    let start = Instant::now();
    for _ in 0..100 {
        let answers = in_time(machine.ask(&["/", "/stuck", "/home"])).await;
        assert!(problem(&answers[1]).starts_with("has not answered since 20"), "{answers:?}");
        assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    }
    assert!(start.elapsed() < LIMIT * 10, "each of 100 waited: {:?}", start.elapsed());
    assert_eq!(machine.calls("/stuck"), 1);
    assert_eq!(machine.threads(), 2, "one and the one that is held");
}

#[tokio::test]
async fn it_is_healthy_again_when_it_answers() {
    let machine = Machine::new();
    in_time(machine.ask(&["/stuck", "/"])).await;
    // Once for the thread that is held, and once for the next time it is asked.
    machine.release.send(()).unwrap();
    machine.release.send(()).unwrap();
    let healthy = async {
        while machine.ask(&["/stuck"]).await != [Ok(space(6))] {
            tokio::task::yield_now().await;
        }
    };
    in_time(healthy).await;
    assert_eq!((machine.calls("/stuck"), machine.threads()), (2, 2));
    // The thread that was held is not needed any more: one is left, and the prober itself.
    let one_left = async {
        while Arc::strong_count(&machine.prober.shared) > 2 {
            tokio::task::yield_now().await;
        }
    };
    in_time(one_left).await;
}

#[tokio::test]
async fn however_many_hang_the_others_are_answered() {
    // Each of them costs a thread's start, which takes its time where the processors are busy.
    let machine = Machine::with_limit(LIMIT * 10);
    let stuck: Vec<String> = (0..20).map(|number| format!("/stuck/{number}")).collect();
    let mut points: Vec<&str> = stuck.iter().map(String::as_str).collect();
    points.push("/last");
    let answers = in_time(machine.ask(&points)).await;
    assert_eq!(answers[20], Ok(space(5)));
    assert!(answers[..20].iter().all(Result::is_err), "{answers:?}");
    in_time(machine.ask(&points)).await;
    assert!(machine.threads() <= 21, "{}", machine.threads());
    assert_eq!(machine.calls("/stuck/7"), 1);
}

#[tokio::test]
async fn threads_that_are_held_are_not_without_end() {
    let machine = Machine::new();
    for round in 0..3 {
        let stuck: Vec<String> = (0..20).map(|number| format!("/stuck/{round}/{number}")).collect();
        let points: Vec<&str> = stuck.iter().map(String::as_str).collect();
        assert!(in_time(machine.ask(&points)).await.iter().all(Result::is_err));
    }
    assert_eq!(machine.threads(), 32);
    let answers = in_time(machine.ask(&["/"])).await;
    assert_eq!(problem(&answers[0]), "was not asked within 0.2 s: others do not answer");
    // Each of those that waited holds a thread for a moment when it gets its turn.
    (0..61).for_each(|_| machine.release.send(()).unwrap());
    let healthy = async {
        while machine.ask(&["/"]).await != [Ok(space(1))] {
            tokio::task::yield_now().await;
        }
    };
    in_time(healthy).await;
}

#[tokio::test]
async fn questions_that_wait_are_not_without_end() {
    let machine = Machine::new();
    let stuck: Vec<String> = (0..5000).map(|number| format!("/stuck/{number}")).collect();
    let points: Vec<&str> = stuck.iter().map(String::as_str).collect();
    let answers = in_time(machine.ask(&points)).await;
    let turned_away = answers.iter().filter(|answer| problem(answer).contains("too many others")).count();
    assert_eq!(turned_away, 5000 - MOST_WAITING);
}

#[tokio::test]
async fn askers_at_the_same_time_wait_together() {
    let machine = Machine::new();
    let start = Instant::now();
    let (one, two) =
        in_time(async { tokio::join!(machine.ask(&["/stuck", "/"]), machine.ask(&["/", "/stuck"])) }).await;
    assert!(start.elapsed() < LIMIT * 2, "{:?}", start.elapsed());
    assert_eq!((&one[1], &two[0]), (&Ok(space(1)), &Ok(space(1))));
    assert!(one[0].is_err() && two[1].is_err(), "{one:?} {two:?}");
    assert_eq!(machine.calls("/stuck"), 1);
}

#[tokio::test]
async fn an_asker_that_goes_away_leaves_nothing_undone() {
    let machine = Machine::new();
    let leaving = async { machine.ask(&["/stuck", "/"]).await };
    let hung = async {
        while machine.calls("/stuck") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answers = leaving => panic!("{answers:?}"),
        () = in_time(hung) => {}
    }
    let answers = in_time(machine.ask(&["/stuck", "/"])).await;
    assert_eq!(answers[1], Ok(space(1)));
    assert_eq!((machine.calls("/stuck"), machine.calls("/")), (1, 1));
}

#[tokio::test]
async fn a_new_file_system_in_the_same_place_is_asked() {
    let machine = Machine::new();
    in_time(machine.prober.ask(&[mount("/stuck", 1)]).answers()).await;
    in_time(machine.prober.ask(&[mount("/stuck", 2)]).answers()).await;
    assert_eq!(machine.calls("/stuck"), 2);
}

#[tokio::test]
async fn its_threads_end_with_it() {
    let Machine { prober, release, ended, seen } = Machine::new();
    in_time(prober.ask(&[mount("/stuck", 1), mount("/", 2)]).answers()).await;
    assert_eq!(seen.lock().unwrap().threads.len(), 2);
    drop((prober, release));
    let ended = tokio::task::spawn_blocking(move || ended.recv_timeout(PATIENCE));
    assert_eq!(ended.await.unwrap(), Err(mpsc::RecvTimeoutError::Disconnected));
}
