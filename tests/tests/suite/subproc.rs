//! Containers in child processes.

use std::io::{BufRead, BufReader, PipeReader, Read, pipe};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use aiomas::manager::ManagerProxy;
use aiomas::{Container, Proxy};
use aiomas::{Runtime, container};
use aiomas_async_std::AsyncStd;
use aiomas_core::agent::Address;
use aiomas_core::wire::Codec;
use aiomas_smol::Smol;
use aiomas_subproc::{Error, Fleet, Launcher};
use aiomas_tests::process::{Process, Ready};
use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::{RuntimeKind, on_tokio};
use aiomas_tests::workers::WorkerProxy;
use aiomas_tokio::Tokio;

use crate::CODECS;

/// More time than a child takes, even on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// Returns the program that is its own child.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_launcher"))
}

/// Starts the program as a child, each time on another runtime.
pub(crate) fn children(count: usize) -> Launcher {
    Launcher::new(count).ready_within(LONG).stop_within(LONG).command(|child| {
        let runtime = [RuntimeKind::Tokio, RuntimeKind::Smol, RuntimeKind::AsyncStd][child % 3];
        let mut command = program();
        command.args(["--runtime", runtime.name()]);
        command
    })
}

async fn container<R: Runtime>(runtime: R) -> Container {
    container::bind(runtime, "tcp://127.0.0.1:0").await.unwrap()
}

async fn make_workers(fleet: &Fleet) -> Vec<(WorkerProxy, String)> {
    let mut workers = Vec::new();
    for (number, manager) in fleet.managers().enumerate() {
        let made = manager.spawn("Worker").arg(format!("worker {number}")).send().await;
        workers.push(made.unwrap());
    }
    workers
}

/// Waits until all writers of a pipe are closed, in this and other processes.
pub(crate) fn wait_for_end(mut reader: PipeReader) -> String {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        sender.send(text)
    });
    receiver.recv_timeout(LONG).expect("a process is left")
}

/// The parent runs on `runtime`, its children on other runtimes.
async fn drives<R: Runtime>(runtime: R) {
    let container = container(runtime).await;
    let fleet = children(3).launch(&container).await.unwrap();
    let workers = make_workers(&fleet).await;
    for (number, ((worker, url), member)) in workers.iter().zip(fleet.members()).enumerate() {
        assert_eq!(worker.process().await, Ok(member.id()));
        assert_ne!(member.id(), std::process::id());
        assert!(url.ends_with("/1"), "{url}");
        // Each can call each other.
        for (other, _) in &workers {
            assert_eq!(other.ask(url.clone()).await, Ok(format!("worker {number}")));
        }
    }

    // All sleep, and all wake up at once.
    let sleeps: Vec<_> = workers.iter().map(|(worker, _)| worker.sleep_until(5.0)).collect();
    for (worker, _) in &workers {
        assert_eq!(worker.time().await, Ok(-1.0));
    }
    fleet.set_time(4.0).await.unwrap();
    fleet.set_time(5.5).await.unwrap();
    for sleep in sleeps {
        assert_eq!(sleep.await, Ok(5.5));
    }
    let error = fleet.set_time(5.5).await.unwrap_err();
    assert_eq!(error.to_string(), "ValueError: Time must be > 5.5 but is 5.5");

    fleet.stop().await.unwrap();
    assert!(workers[0].0.time().await.is_err());
    container.shutdown().await.unwrap();
}

#[test]
fn tokio_drives_others() {
    on_tokio(drives(Tokio::default()));
}

#[test]
fn smol_drives_others() {
    smol::block_on(drives(Smol::default()));
}

#[test]
fn async_std_drives_others() {
    async_std::task::block_on(drives(AsyncStd::default()));
}

/// A clock that cannot be set does not block the others.
#[test]
fn clocks_are_set_though_one_cannot_be() {
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let fleet = children(3).launch(&container).await.unwrap();
        let workers = make_workers(&fleet).await;
        fleet.members()[1].manager().set_time(10.0).await.unwrap();
        let error = fleet.set_time(5.0).await.unwrap_err();
        assert_eq!(error.to_string(), "ValueError: Time must be > 10 but is 5");
        let mut times = Vec::new();
        for (worker, _) in &workers {
            times.push(worker.time().await.unwrap());
        }
        assert_eq!(times, [5.0, 10.0, 5.0]);
        fleet.stop().await.unwrap();
    });
}

/// Children end one after the other, each with its agents.
#[test]
fn children_end_in_order_of_their_start() {
    let log = std::env::temp_dir().join(format!("aiomas-order-{}", std::process::id()));
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let fleet = children(4).launch(&container).await.unwrap();
        // In another order than they were started.
        for number in [2, 0, 3, 1] {
            let manager = fleet.members()[number].manager();
            let worker = manager.spawn("Worker").arg(number.to_string());
            worker.kwarg("log", log.to_str()).send::<(Proxy, String)>().await.unwrap();
        }
        fleet.stop().await.unwrap();
    });
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "0\n1\n2\n3\n");
    std::fs::remove_file(log).unwrap();
}

#[test]
fn a_child_that_does_not_end_is_killed() {
    let (reader, writer) = pipe().unwrap();
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let launcher = children(1).stop_within(Duration::from_millis(300));
        let launcher = launcher.command(move |_| {
            let mut command = program();
            command.stderr(writer.try_clone().unwrap());
            command
        });
        let fleet = launcher.launch(&container).await.unwrap();
        fleet.members()[0].manager().spawn("Sticky").send::<(Proxy, String)>().await.unwrap();
        let error = fleet.stop().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "child 0 did not end within 300ms (`Launcher::stop_within`), and was killed"
        );
    });
    wait_for_end(reader);
}

/// The children end, without a waiting parent.
#[test]
fn children_end_when_they_are_dropped() {
    let (reader, writer) = pipe().unwrap();
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let launcher = children(3).command(move |_| {
            let mut command = program();
            command.stderr(writer.try_clone().unwrap());
            command
        });
        let fleet = launcher.launch(&container).await.unwrap();
        drop((launcher, fleet));
    });
    assert_eq!(wait_for_end(reader), "");
}

/// At any stage of the launch.
#[test]
fn a_cancelled_launch_leaves_no_process() {
    let (reader, writer) = pipe().unwrap();
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let launcher = children(3).command(move |_| {
            let mut command = program();
            command.stderr(writer.try_clone().unwrap());
            command
        });
        for milliseconds in [0, 1, 5, 20, 50] {
            let time = Duration::from_millis(milliseconds);
            let _given_up = tokio::time::timeout(time, launcher.launch(&container)).await;
        }
        drop(launcher);
    });
    wait_for_end(reader);
}

/// Children end even if their parent is killed. Some have agents that do not end.
#[test]
fn no_child_is_left_when_its_parent_dies() {
    for more in [&["--children", "1"][..], &["--children", "3"], &["--sticky"]] {
        let (reader, writer) = pipe().unwrap();
        let mut command = program();
        command.args(more).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut parent = command.stderr(writer).spawn().unwrap();
        // The command holds the pipe, too.
        drop(command);
        let mut line = String::new();
        BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"ready\":"), "{line}");
        parent.kill().unwrap();
        parent.wait().unwrap();
        // The children inherit it from their parent.
        assert_eq!(wait_for_end(reader), "");
    }
}

/// A program that offers no manager, or none that can be reached.
#[test]
fn children_that_are_never_ready() {
    let launch = |script: &'static str, within| {
        on_tokio(async {
            let container = container(Tokio::default()).await;
            let launcher = Launcher::new(2).ready_within(within).stop_within(LONG);
            let launcher = launcher.command(move |child| {
                let mut command = Command::new("sh");
                command.args(["-c", if child == 1 { script } else { GOOD }]);
                command
            });
            launcher.launch(&container).await.unwrap_err()
        })
    };
    const GOOD: &str = r#"echo '{"ready": {"addr": "tcp://127.0.0.1:1"}}'; cat"#;
    let text = |script| launch(script, LONG).to_string();
    assert_eq!(text("exit 3"), "child 1 was never ready: exit status: 3");
    assert_eq!(text("echo ready; echo '{}'"), "child 1 was never ready: exit status: 0");
    assert_eq!(
        text(r#"echo '{"ready": {"addr": "127.0.0.1:5555"}}'; cat"#),
        "child 1 says where it listens, but cannot parse \"127.0.0.1:5555\": no \"tcp://\", \
         \"ipc://\" or \"local://\"; an agent's URL looks like tcp://host:5555/0, \
         a container's address like tcp://host:5555 (at byte 0)"
    );
    // Within a time too short for a busy machine, the other child may be late as well, with a
    // longer error.
    let in_time = |script, expected: fn(&Error) -> bool| {
        let mut within = Duration::from_millis(100);
        loop {
            let error = launch(script, within);
            if expected(&error) {
                break;
            }
            assert!(matches!(error, Error::Late { within: time, .. } if time == within), "{error}");
            within *= 2;
            assert!(within < LONG, "{error}");
        }
    };
    // The end of its input ends the program.
    in_time("cat", |error| matches!(error, Error::Late { child: 1, .. }));
    // It would write forever, if it were not stopped.
    let endless =
        "while echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx >/dev/null; do read x || exit; done";
    in_time(endless, |error| matches!(error, Error::Late { child: 1, .. }));
    // Port 1 has no listener.
    in_time(GOOD, |error| matches!(error, Error::Manager { child: 0, .. }));
}

#[test]
fn a_missing_program() {
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let launcher = Launcher::new(1).command(|_| Command::new("/no/such/program"));
        match launcher.launch(&container).await.unwrap_err() {
            Error::Start { child: 0, program, source } => {
                assert_eq!(program, "/no/such/program");
                assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
            }
            other => panic!("{other}"),
        }
    });
}

#[test]
fn factories_that_fail() {
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let fleet = children(1).launch(&container).await.unwrap();
        let manager = fleet.members()[0].manager();
        let error = |name: &'static str| async move {
            manager.spawn(name).send::<(Proxy, String)>().await.unwrap_err().to_string()
        };
        assert_eq!(error("Impossible").await, "Error: out of paper");
        assert_eq!(error("Panic").await, "Panic: on purpose");
        assert_eq!(
            error("Wörker\n").await,
            "LookupError: no factory is called \"Wörker\\n\"; there are: \"Impossible\", \"Panic\", \
             \"Sticky\", \"Worker\""
        );
        // The failed attempts have left no state.
        let (_, url): (Proxy, String) = manager.spawn("Worker").arg("a").send().await.unwrap();
        assert!(url.ends_with("/1"), "{url}");
        fleet.stop().await.unwrap();
    });
}

/// A peer's data become arguments of a factory. They reach neither a command line nor an
/// environment.
#[test]
fn nothing_is_injected() {
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let fleet = children(1).launch(&container).await.unwrap();
        let manager = fleet.members()[0].manager();
        let nasty = "x\0--runtime\nAIOMAS_CHILD=tcp://0.0.0.0:1 \u{1b}[2J$(exit 1)`exit 1`;exit 1";
        let made = manager.spawn("Worker").arg(nasty).send().await;
        let (worker, _): (WorkerProxy, String) = made.unwrap();
        assert_eq!(worker.name().await.as_deref(), Ok(nasty));
        let long = "x".repeat(1 << 20);
        let error = manager.spawn(&long).send::<(Proxy, String)>().await.unwrap_err();
        let error = error.remote().unwrap();
        assert!(error.kind() == "LookupError" && error.text().len() < 2000, "{error}");
        for (key, value) in [("env", "AIOMAS_CHILD"), ("argv", "--help"), ("cwd", "/")] {
            let made = manager.spawn("Worker").arg("a").kwarg(key, value).send::<()>().await;
            assert_eq!(made.unwrap_err().remote().unwrap().kind(), "TypeError");
        }
        fleet.stop().await.unwrap();
    });
    // The setter of the variable is trusted, but may make mistakes.
    for address in ["", "tcp://", "x; exit 1", "tcp://127.0.0.1:0\n--children"] {
        let mut child = program();
        child.env("AIOMAS_CHILD", address).stdin(Stdio::null());
        let output = child.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            stderr.starts_with("launcher: cannot parse") && stderr.lines().count() == 1,
            "{stderr}"
        );
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true));
    }
}

/// The parent forwards the standard output of children, before and after they are ready.
#[test]
fn output_is_passed_on() {
    let mut parent = program();
    parent.args(["--children", "1"]);
    let (parent, ready) = Process::serve(parent);
    let Ready { info, .. } = &ready;
    let url = info["managers"][0].as_str().unwrap().to_owned();
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let manager: ManagerProxy = container.connect(url).await.unwrap();
        let made = manager.spawn("Worker").arg("a").send().await;
        let (worker, _): (WorkerProxy, String) = made.unwrap();
        worker.say("ohai\ncya".to_owned()).await.unwrap();
        // More than a pipe holds.
        worker.say("x".repeat(1 << 20)).await.unwrap();
    });
    let lines = parent.stop_and_read();
    assert_eq!(lines[..2], ["ohai", "cya"]);
    assert_eq!(lines[2].len(), 1 << 20);
}

/// A Rust launcher starts Python containers, and controls them through their managers.
#[test]
fn rust_drives_python() {
    for codec in CODECS {
        drives_python(codec);
    }
}

fn drives_python(codec: Codec) {
    on_tokio(async {
        let container = container::builder(Tokio::default()).codec(codec);
        let container = container.bind("tcp://127.0.0.1:0").await.unwrap();
        let clock = "external:2020-01-01T00:00:00+00:00";
        let setup = Setup { clock, ..Setup::new("manager", codec.name()) };
        let launcher = Launcher::new(3).ready_within(LONG).stop_within(LONG);
        let launcher = launcher.command(move |_| setup.server("tcp://127.0.0.1:0"));
        let fleet = launcher.launch(&container).await.unwrap();
        let mut labels = Vec::new();
        for (number, manager) in fleet.managers().enumerate() {
            let making = manager.spawn("interop_agents:Spawned").arg(number.to_string());
            let (agent, url): (Proxy, String) = making.kwarg("suffix", "!").send().await.unwrap();
            let found: Proxy = container.connect(url).await.unwrap();
            assert_eq!(found, agent);
            labels.push(agent.call("get_label").send::<String>().await.unwrap());
        }
        assert_eq!(labels, ["0!", "1!", "2!"]);
        fleet.set_time(60.0).await.unwrap();
        let error = fleet.set_time(60.0).await.unwrap_err();
        assert_eq!(error.remote().map(|error| error.kind()), Some("ValueError"));
        fleet.stop().await.unwrap();
        container.shutdown().await.unwrap();
    });
}

/// The error is reported like all others.
#[test]
fn an_invalid_address() {
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let error = children(1).address("tcp://nowhere").launch(&container).await.unwrap_err();
        assert!(error.to_string().contains("no port"), "{error}");
    });
}

/// With several children, a fixed port is one too few.
#[test]
fn an_address_that_is_taken() {
    on_tokio(async {
        let container = container(Tokio::default()).await;
        let taken: Address = container.address().clone();
        let launcher = children(1).address(taken);
        let launcher = launcher.command(|_| {
            let mut command = program();
            command.stderr(Stdio::null());
            command
        });
        match launcher.launch(&container).await.unwrap_err() {
            Error::NeverReady { child: 0, status } => assert_eq!(status.code(), Some(1)),
            other => panic!("{other}"),
        }
    });
}
