import Foundation
import Testing

/// Bad input ends with one message that names the place and the remedy, and the documented exit code.
@Suite struct BadInputTests {
  private static let header =
    "ID\tTweet\tanger\tanticipation\tdisgust\tfear\tjoy\tlove\toptimism\tpessimism\tsadness\t"
    + "surprise\ttrust\n"
  private static let row = "1\tfine by me\t0\t0\t0\t0\t1\t0\t0\t0\t0\t0\t0\n"

  private func expectRefusal(
    _ result: Program.Result, status: Int32, naming parts: [String], _ context: String = ""
  ) {
    #expect(result.status == status, "\(context): \(result.errors)")
    let messages = result.errors.split(separator: "\n").filter { $0.contains("rror: ") }
    #expect(messages.count == 1, "\(context): one message, not: \(result.errors)")
    for part in parts {
      #expect(result.errors.contains(part), "\(context): \(part) is not in: \(result.errors)")
    }
    for trace in ["Stack dump", "Fatal error", "MPI_ABORT", "Backtrace"] {
      #expect(!result.errors.contains(trace), "\(context): \(result.errors)")
    }
    #expect(result.output.isEmpty)
  }

  // MARK: - Tables

  struct Table: Sendable, CustomTestStringConvertible {
    let what: String
    let bytes: [UInt8]
    let parts: [String]
    var flags: [String] = []
    var testDescription: String { what }

    init(_ what: String, _ text: String, naming parts: [String], flags: [String] = []) {
      self.init(what, bytes: Array(text.utf8), naming: parts, flags: flags)
    }

    init(_ what: String, bytes: [UInt8], naming parts: [String], flags: [String] = []) {
      self.what = what
      self.bytes = bytes
      self.parts = parts
      self.flags = flags
    }
  }

  static let tables = [
    Table(
      "a missing text column", header.replacing("Tweet", with: "Words") + row,
      naming: ["table.tsv:1", "Tweet"], flags: ["--text-column", "Tweet"]),
    Table(
      "a missing label column", header + row, naming: ["table.tsv", "envy"],
      flags: ["--labels", "joy,envy"]),
    Table(
      "a wrong field count", header + row + "2\tshort\t1\n",
      naming: ["table.tsv:3", "13", "found 3"]),
    Table(
      "a label that is none", header + row.replacing("\t1\t", with: "\tmaybe\t"),
      naming: ["table.tsv:2", "maybe"],
      flags: [
        "--labels",
        "anger,anticipation,disgust,fear,joy,love,optimism,pessimism,sadness,surprise,trust",
      ]),
    Table(
      "invalid UTF-8",
      bytes: Array((header + row).utf8) + [0x32, 0x09, 0xFF, 0xFE] + Array("\t0\n".utf8),
      naming: ["table.tsv:3", "UTF-8"]),
    Table("an empty file", "", naming: ["table.tsv"]),
    Table("a header without rows", header, naming: ["table.tsv", "row"]),
  ]

  @Test("a bad table is refused by file and line", arguments: tables)
  func refusesTable(_ table: Table) throws {
    let folder = try TemporaryFolder()
    try TinyModel.write(to: folder.path + "/model")
    let file = try folder.write("table.tsv", bytes: table.bytes)
    let output = folder.path + "/shards"
    let result = try Program.run(
      ["shard", file, "--model", folder.path + "/model", "--output", output] + table.flags)
    expectRefusal(result, status: 65, naming: table.parts, table.what)
    #expect(!FileManager.default.fileExists(atPath: output), "no half of a shard folder is left")
  }

  @Test("labels may be 0, 1, 0.0, 1.0, true and false in any case")
  func acceptsLabelForms() throws {
    let job = try TinyJob(rows: 4)
    let table = "text,a,b,c\nfine,TRUE,0.0,1\n\"so, so\",false,1.0,0\n"
    let file = try job.folder.write("forms.csv", table)
    let result = try Program.run(
      ["shard", file, "--model", job.model, "--output", job.folder.path + "/forms"])
    #expect(result.status == 0, "\(result.errors)")
    for (row, labels) in [(0, "a, c"), (1, "b")] {
      let shown = try Program.run(["inspect", job.folder.path + "/forms", "--row", "\(row)"])
      #expect(shown.output.contains("labels          \(labels)\n"), "\(shown.output)")
    }
  }

  // MARK: - Training jobs

  struct Job: Sendable, CustomTestStringConvertible {
    let what: String
    let status: Int32
    let parts: [String]
    let flags: [String]
    /// Spoils the files of a job before it is started.
    let spoil: @Sendable (TinyJob) throws -> Void
    var testDescription: String { what }

    init(
      _ what: String, status: Int32 = 65, naming parts: [String], flags: [String] = [],
      spoil: @escaping @Sendable (TinyJob) throws -> Void = { _ in }
    ) {
      self.what = what
      self.status = status
      self.parts = parts
      self.flags = flags
      self.spoil = spoil
    }
  }

  static let jobs = [
    Job("batch size 0", status: 64, naming: ["--batch-size", "0"], flags: ["--batch-size", "0"]),
    Job(
      "a learning rate that is no number", status: 64, naming: ["--learning-rate", "nan"],
      flags: ["--learning-rate", "nan"]),
    Job(
      "three micro-batches", status: 64, naming: ["--micro-batches", "power of two"],
      flags: ["--micro-batches", "3"]),
    Job("an unknown flag", status: 64, naming: ["--learning"], flags: ["--learning", "1"]),
    Job(
      "labels of the validation rows that training does not know", naming: ["validation", "envy"]
    ) { job in
      let table = try TinyModel.table(rows: 5).replacing("\tanger\t", with: "\tenvy\t")
      try FileManager.default.removeItem(atPath: job.validation)
      try job.shard(table, to: job.validation)
    },
    Job("shards of another vocabulary", naming: ["train", "vocabulary"]) { job in
      _ = try job.folder.write(
        "model/vocab.txt", (TinyModel.words.dropLast() + ["##other"]).joined(separator: "\n"))
    },
    Job("no weights", naming: ["model", "model.safetensors"]) { job in
      try FileManager.default.removeItem(atPath: job.model + "/model.safetensors")
    },
    Job("weights cut short", naming: ["model.safetensors"]) { job in
      try job.editWeights { Array($0.dropLast(1000)) }
    },
    Job("a header longer than the file", naming: ["model.safetensors", "header"]) { job in
      try job.editWeights { [0xFF, 0xFF, 0xFF, 0x00, 0, 0, 0, 0] + $0.dropFirst(8) }
    },
    Job("overlapping offsets", naming: ["model.safetensors", "overlap"]) { job in
      try job.editHeader { header in
        // The second tensor is moved onto the first.
        let names = header.keys.filter { $0 != "__metadata__" }.sorted {
          header.offsets($0)[0] < header.offsets($1)[0]
        }
        let shift = header.offsets(names[1])[0]
        let moved = header.offsets(names[1]).map { $0 - shift }
        header[names[1]]?["data_offsets"] = moved
      }
    },
    Job("a wrong dtype", naming: ["model.safetensors", "pooler.dense.bias"]) { job in
      try job.editHeader { $0["bert.pooler.dense.bias"]?["dtype"] = "I32" }
    },
    Job("a wrong shape", naming: ["model.safetensors", "pooler.dense.weight", "[24, 24]"]) { job in
      try job.editHeader { $0["bert.pooler.dense.weight"]?["shape"] = [12, 48] }
    },
    Job("a missing tensor", naming: ["bert.encoder.layer.1.output.dense.bias"]) { job in
      try job.editHeader { header in
        header["renamed"] = header.removeValue(forKey: "bert.encoder.layer.1.output.dense.bias")
      }
    },
    Job("a configuration that lacks a field", naming: ["config.json", "hidden_size"]) { job in
      try job.editConfiguration { $0.replacing("\"hidden_size\"", with: "\"hidden_sizes\"") }
    },
    Job("a model type that is not supported", naming: ["config.json", "model_type", "xlnet"]) {
      job in
      try job.editConfiguration { $0.replacing("\"bert\"", with: "\"xlnet\"") }
    },
    Job("10^9 layers", naming: ["config.json", "num_hidden_layers", "1000000000"]) { job in
      try job.editConfiguration {
        $0.replacing("\"num_hidden_layers\" : 2", with: "\"num_hidden_layers\" : 1000000000")
      }
    },
    Job("more layers than the weights have", naming: ["layer.2.", "no such tensor"]) { job in
      try job.editConfiguration {
        $0.replacing("\"num_hidden_layers\" : 2", with: "\"num_hidden_layers\" : 1024")
      }
    },
    Job("10^12 hidden", naming: ["config.json", "hidden_size", "1000000000000"]) { job in
      try job.editConfiguration {
        $0.replacing("\"hidden_size\" : 24", with: "\"hidden_size\" : 1000000000000")
      }
    },
    Job("a key of config.json twice", naming: ["config.json: byte", "`hidden_size` again"]) { job in
      try job.editConfiguration {
        $0.replacing("\"hidden_size\" : 24", with: "\"hidden_size\" : 24, \"hidden_size\" : 12")
      }
    },
    Job("a tokenizer's file that is a link out", naming: ["merges.txt", "symbolic link"]) { job in
      try FileManager.default.createSymbolicLink(
        atPath: job.model + "/merges.txt", withDestinationPath: job.folder.path + "/table.txt")
    },
    Job("an output that cannot be written", naming: ["table.txt"]) { job in
      // A file stands where the run folder's parent should be.
      try job.useOutput(job.folder.path + "/table.txt/run")
    },
    Job("a shard that is not HDF5", naming: ["00000.h5"]) { job in
      let shard = job.train + "/00000.h5"
      let size = try Data(contentsOf: URL(fileURLWithPath: shard)).count
      try Data(repeating: 7, count: size).write(to: URL(fileURLWithPath: shard))
    },
    Job("no shards at all", naming: ["train"]) { job in
      try FileManager.default.removeItem(atPath: job.train)
    },
  ]

  @Test("a bad job is refused in one message, on one rank and on two", arguments: jobs)
  func refusesJob(_ bad: Job) throws {
    let job = try TinyJob(rows: 8, validationRows: 5)
    try bad.spoil(job)
    for ranks in [nil, 2] {
      let result = try Program.run(
        job.arguments(output: "run", "--max-steps", "2") + job.outputFlags + bad.flags,
        ranks: ranks, seconds: 60)
      expectRefusal(
        result, status: bad.status, naming: bad.parts, "\(bad.what), \(ranks ?? 1) ranks")
    }
  }

  @Test("texts of no token and of 10,000 words, and ranks without a row, are no errors")
  func acceptsExtremes() throws {
    let job = try TinyJob(rows: 4)
    let long = Array(repeating: "the", count: 10_000).joined(separator: " ")
    let zeros = "\t0\t0\t0\t0\t1\t0\t0\t0\t0\t0\t0\n"
    try FileManager.default.removeItem(atPath: job.train)
    try job.shard(Self.header + "1\t" + zeros + "2\t" + long + zeros, to: job.train, shards: 1)
    let result = try Program.run(job.arguments(output: "run", "--max-steps", "3"), ranks: 4)
    #expect(result.status == 0, "\(result.errors)")
  }
}

extension [String: [String: Any]] {
  fileprivate func offsets(_ name: String) -> [Int] {
    self[name]?["data_offsets"] as? [Int] ?? [0, 0]
  }
}

extension TinyJob {
  fileprivate func editWeights(_ edit: ([UInt8]) -> [UInt8]) throws {
    let url = URL(fileURLWithPath: model + "/model.safetensors")
    try Data(edit(Array(Data(contentsOf: url)))).write(to: url)
  }

  fileprivate func editHeader(_ edit: (inout [String: [String: Any]]) -> Void) throws {
    try editWeights { bytes in
      let length = bytes.prefix(8).enumerated().reduce(0) {
        $0 | Int($1.element) << (8 * $1.offset)
      }
      let json = Data(bytes[8..<8 + length])
      var header =
        (try? JSONSerialization.jsonObject(with: json)) as? [String: [String: Any]] ?? [:]
      edit(&header)
      let edited = (try? JSONSerialization.data(withJSONObject: header)) ?? Data()
      let size = (0..<8).map { UInt8(truncatingIfNeeded: edited.count >> (8 * $0)) }
      return size + edited + bytes[(8 + length)...]
    }
  }

  fileprivate func editConfiguration(_ edit: (String) -> String) throws {
    let path = model + "/config.json"
    let text = try String(contentsOfFile: path, encoding: .utf8)
    try Data(edit(text).utf8).write(to: URL(fileURLWithPath: path))
  }

  fileprivate func useOutput(_ path: String) throws {
    _ = try folder.write("output", path)
  }

  /// `--output` of a job that was told another one than its own.
  fileprivate var outputFlags: [String] {
    (try? String(contentsOfFile: folder.path + "/output", encoding: .utf8)).map {
      ["--output", $0]
    } ?? []
  }
}
