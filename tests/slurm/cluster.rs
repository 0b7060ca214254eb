//! A Slurm of one node, for as long as the value lives.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::needs::path;

/// The configuration, with names in capitals to be filled in.
const CONFIGURATION: &str = include_str!("slurm.conf");

/// How long the node may take to report for work, and a job to end.
const PATIENCE: Duration = Duration::from_secs(300);

fn program(name: &str) -> Command {
    let mut command = Command::new("env");
    command.arg(name).env("PATH", path()).stdin(Stdio::null());
    command
}

/// What a program prints.
fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

pub struct Cluster {
    folder: TempDir,
    services: Vec<Child>,
}

impl Cluster {
    pub fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["state", "spool", "munge"] {
            fs::create_dir(at(name)).unwrap();
        }
        // munged refuses places that others could write to.
        fs::set_permissions(at("munge"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let key: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(151)).collect();
        fs::write(at("munge/key"), key).unwrap();
        fs::set_permissions(at("munge/key"), fs::Permissions::from_mode(0o400)).unwrap();

        let host = output(program_with("hostname", &["-s"]));
        let user = output(program_with("id", &["-un"]));
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (first, second) = (free(), free());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port().to_string();
        let configuration = [
            ("FOLDER", folder.path().to_str().unwrap().to_owned()),
            ("HOST", host),
            ("USER", user),
            ("CONTROLLER_PORT", port(&first)),
            ("NODE_PORT", port(&second)),
        ]
        .iter()
        .fold(CONFIGURATION.to_owned(), |text, (name, value)| {
            text.replace(&format!("@{name}@"), value)
        });
        fs::write(at("slurm.conf"), configuration).unwrap();
        drop((first, second));

        let mut cluster = Self {
            services: Vec::new(),
            folder,
        };
        let file = |name: &str| cluster.folder.path().join(name).display().to_string();
        let munged = [
            "--foreground".to_owned(),
            "--force".to_owned(),
            format!("--key-file={}", file("munge/key")),
            format!("--socket={}", file("munge/socket")),
            format!("--pid-file={}", file("munge/pid")),
            format!("--seed-file={}", file("munge/seed")),
            format!("--log-file={}", file("munge/log")),
        ];
        let munged: Vec<&str> = munged.iter().map(String::as_str).collect();
        cluster.serve("munged", &munged);
        cluster.until("munged answers", || cluster.file("munge/socket").exists());
        cluster.serve("slurmctld", &["-D"]);
        cluster.serve("slurmd", &["-D"]);
        cluster.until("the node is idle", || {
            let said = cluster
                .program("sinfo", &["--noheader", "--format=%t"])
                .output();
            said.is_ok_and(|said| said.stdout.starts_with(b"idle"))
        });
        cluster
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = program_with(name, arguments);
        command.env("SLURM_CONF", self.file("slurm.conf"));
        command
    }

    fn serve(&mut self, name: &str, arguments: &[&str]) {
        let log = fs::File::create(self.file(&format!("{name}.out"))).unwrap();
        let mut command = self.program(name, arguments);
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.services.push(command.spawn().unwrap());
    }

    /// Waits until `is_true`; what the services said otherwise.
    pub fn until(&self, what: &str, is_true: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_true() {
            assert!(Instant::now() < deadline, "not {what}: {}", self.logs());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn logs(&self) -> String {
        let names = ["munged.out", "munge/log", "slurmctld.out", "slurmd.out"];
        let logs = names.map(|name| fs::read_to_string(self.file(name)).unwrap_or_default());
        logs.join("\n")
    }

    /// Submits a job from `folder`, with percept on its path, waits for its end and expects it to
    /// succeed.
    pub fn sbatch(&self, folder: &Path, arguments: &[&str]) {
        let mut command = self.program("sbatch", &[&["--wait"], arguments].concat());
        let output = with_percept(&mut command, folder).output().unwrap();
        assert!(
            output.status.success(),
            "{}\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            logs_of_jobs(folder),
            self.logs()
        );
    }

    /// Runs a script that submits jobs, with percept on its path and theirs; what it says.
    pub fn bash(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut command = self.program("bash", arguments);
        with_percept(&mut command, folder);
        output(command)
    }

    /// Waits until no job is left.
    pub fn until_all_end(&self, folder: &Path) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let queue = output(self.program("squeue", &["--noheader", "--format=%i %T %r"]));
            if queue.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{queue}\n{}\n{}",
                logs_of_jobs(folder),
                self.logs()
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// What the controller knows of a job.
    pub fn job(&self, id: &str) -> String {
        output(self.program("scontrol", &["show", "job", id]))
    }

    pub fn scancel(&self, arguments: &[&str]) {
        output(self.program("scancel", arguments));
    }
}

fn with_percept<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    let percept = Path::new(env!("CARGO_BIN_EXE_percept")).parent().unwrap();
    command
        .current_dir(folder)
        .env("PATH", format!("{}:{}", percept.display(), path()))
}

/// What the jobs of a folder said.
pub fn logs_of_jobs(folder: &Path) -> String {
    let logs = fs::read_dir(folder).unwrap().filter_map(|entry| {
        let path = entry.unwrap().path();
        let is_log = path.extension().is_some_and(|ending| ending == "log");
        is_log.then(|| fs::read_to_string(path).unwrap())
    });
    logs.collect()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self
            .program("scancel", &["--quiet", "--state=RUNNING"])
            .status();
        for service in self.services.iter_mut().rev() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

fn program_with(name: &str, arguments: &[&str]) -> Command {
    let mut command = program(name);
    command.args(arguments);
    command
}
