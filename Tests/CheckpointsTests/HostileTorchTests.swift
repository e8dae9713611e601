import Foundation
import Testing

@testable import Checkpoints

@Suite struct HostileTorchTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// What opening a file of this data.pkl and one storage of 8 bytes throws.
  private func refusal(_ pickle: [UInt8]) throws -> String {
    try refusal(ZipText(pickle: pickle, storages: [bytes([1, 2])]))
  }

  private func refusal(_ zip: ZipText) throws -> String { try refusal(file: zip.bytes) }

  private func refusal(file: [UInt8]) throws -> String {
    let path = folder("pytorch_model.bin")
    try write(file, to: path)
    let text = message { _ = try ModelFolder(path: folder.path) }
    #expect(text.hasPrefix(path), "\(text.prefix(300))")
    return String(text.dropFirst(path.count))
  }

  private func repeated(_ bytes: [UInt8], _ count: Int) -> [UInt8] {
    Array(repeatElement(bytes, count: count).joined())
  }

  private let tensor = Pickle.tensor(Pickle.storage(count: 2), [2], [1])

  @Test("Every global but those of tensors is refused with its name and byte, and nothing runs")
  func globals() throws {
    let marker = folder("was-run")
    let command = Pickle.string("touch \(marker)")
    for (module, name) in [
      ("os", "system"), ("posix", "system"), ("builtins", "eval"), ("builtins", "exec"),
      ("builtins", "getattr"), ("__builtin__", "apply"), ("subprocess", "Popen"),
      ("torch", "load"), ("torch.storage", "_load_from_bytes"), ("torch", "FloatStorage.__class__"),
      ("torch", "UntypedStorage"), ("torch.hub", "load"), ("torch._utils", "_rebuild_tensor"),
      ("torch._utils", "_import_dotted_name"), ("collections", "defaultdict"),
      ("collections.OrderedDict", "__init__"), ("", ""), ("torch", ""),
      ("copyreg", "_reconstructor"),
      ("numpy.core.multiarray", "scalar"), ("transformers.models.bert.modeling_bert", "BertModel"),
    ] {
      let body = Pickle.call(module, name, [command])
      #expect(
        try refusal(Pickle.whole(body)).hasPrefix(
          ": data.pkl byte 2: expected a pickle of tensors alone, found the global "
            + "`\(module).\(name)`; it is not loaded"))
      let stacked = Pickle.string(module) + Pickle.string(name) + [0x93]
      let deep = Pickle.dictionary([
        ("a", tensor), ("b", stacked + Pickle.tuple([command]) + [0x52]),
      ])
      #expect(try refusal(Pickle.whole(deep)).contains("found the global `\(module).\(name)`"))
    }
    #expect(!FileManager.default.fileExists(atPath: marker))
  }

  @Test("Instructions that a dictionary of tensors does not need are refused with their names")
  func instructions() throws {
    for (code, name) in [
      (0x69, "INST"), (0x6f, "OBJ"), (0x81, "NEWOBJ"), (0x92, "NEWOBJ_EX"), (0x82, "EXT1"),
      (0x32, "DUP"), (0x30, "POP"), (0x47, "BINFLOAT"), (0x8b, "LONG4"), (0x50, "PERSID"),
      (0x96, "BYTEARRAY8"), (0x97, "NEXT_BUFFER"), (0x8e, "BINBYTES8"), (0x64, "DICT"),
    ] {
      let body: [UInt8] = [0x28, UInt8(code)] + Array("os\nsystem\n".utf8)
      #expect(
        try refusal(Pickle.whole(body)).hasPrefix(
          ": data.pkl byte 3: expected an instruction that a dictionary of tensors needs, found 0x"
            + "\(String(code, radix: 16)) (\(name)); "))
    }
    #expect(try refusal(Pickle.whole([0xff])).contains("found 0xff; "))
  }

  @Test("Calls and attributes of anything but what a state dict has are refused")
  func calls() throws {
    let storage = Pickle.storage(count: 2)
    for (body, expected) in [
      (Pickle.call("torch", "FloatStorage", []), "a storage type only in a storage"),
      (Pickle.call("collections", "OrderedDict", [[0x5d]]), "an empty OrderedDict"),
      (Pickle.string("os") + Pickle.tuple([]) + [0x52], "a call of a global, found a call of an"),
      (Pickle.global("collections", "OrderedDict") + [0x4e, 0x52], "a call of a global"),
      (tensor + [0x7d, 0x62], "attributes of a dictionary"),
      (Pickle.dictionary([]) + [0x4e, 0x62], "attributes of a dictionary"),
      (Pickle.string("0") + [0x51], "a storage, found another persistent id"),
      (Pickle.tuple([Pickle.string("module"), [0x4e]]) + [0x51], "a storage of type, key"),
      (
        Pickle.tuple([
          Pickle.storage("FloatStorage", count: 2), Pickle.storage("LongStorage", count: 1),
        ]),
        "one type and size for the storage `0`, found I64 [1] and F32 [2]"
      ),
      (Pickle.call("torch._utils", "_rebuild_tensor_v2", [storage]), "a tensor of storage, offset"),
      (Pickle.call("torch._utils", "_rebuild_parameter", [[0x4e]]), "a parameter of a tensor"),
      (Pickle.tensor([0x4e], [2], [1]), "a tensor of storage, offset"),
      (
        Pickle.tensor(storage, [Int](repeating: 1, count: 9), [Int](repeating: 1, count: 9)),
        "a tensor of"
      ),
      (Pickle.storage(count: -1), "a storage of type"),
      ([0x7d, 0x4b, 1] + tensor + [0x73], "keys that are strings, found an integer"),
      ([0x7d, 0x28, 0x4e, 0x75], "members of a dictionary"),
      ([0x4e, 0x28, 0x75], "members of a dictionary, found None"),
      ([0x4e, 0x4e, 0x61], "a list to append to"),
    ] {
      #expect(try refusal(Pickle.whole(body)).contains(": expected \(expected)"))
    }
    for (root, expected) in [
      (Pickle.dictionary([("a", [0x4e])]), ": tensor `a`: expected a tensor, found None"),
      (tensor, ": expected a dictionary of tensors, found a tensor"),
      (
        Pickle.dictionary([("a", tensor), ("a", tensor)]), ": tensor `a`: expected each tensor once"
      ),
      (
        Pickle.dictionary([("a", Pickle.tensor(Pickle.storage(count: 1 << 62), [1], [1]))]),
        ": storage `0`: expected \(1 << 62) elements of F32, found 8 bytes"
      ),
      (
        Pickle.dictionary([
          ("a", Pickle.tensor(Pickle.storage("FloatStorage", "../0", count: 2), [2], [1]))
        ]),
        ": storage `../0`: expected a member `model/data/../0`, found none"
      ),
    ] { #expect(try refusal(Pickle.whole(root)).hasPrefix(expected)) }
  }

  @Test("Counts, nesting and repetition cannot take more memory or time than the file is long")
  func bombs() throws {
    let clock = ContinuousClock()
    let start = clock.now
    let deep = repeated([0x85], 1_000_000)
    #expect(try refusal(Pickle.whole([0x4e] + deep)).contains("expected a dictionary of tensors"))
    #expect(
      try refusal(Pickle.whole([0x4e] + repeated([0x86], 400_000))).contains("a value on the stack")
    )
    // t = (t, t) again and again, which has 2^n leaves.
    let leaves = repeated([0x71, 0, 0x68, 0, 0x86], 200_000)
    #expect(try refusal(Pickle.whole([0x4e] + leaves)).contains("a dictionary of tensors"))
    let selfish: [UInt8] = [0x7d, 0x71, 0] + Pickle.string("a") + [0x68, 0, 0x73]
    #expect(try refusal(Pickle.whole(selfish)).contains("tensor `a`: expected a tensor"))
    #expect(
      try refusal(Pickle.whole(repeated([0x4e], 100_000))).contains(
        "at most 65536 values on the stack"))
    #expect(
      try refusal(Pickle.whole([0x4e] + repeated([0x94], 2_000_000))).contains(
        "and 1048576 kept"))
    #expect(
      try refusal(Pickle.whole(repeated([0x28], 1_000_000))).contains(
        "one value at the end"))
    // A long shape that is named by a few bytes for each of many tensors.
    let shape: [UInt8] = [0x28] + repeated([0x4e], 60_000) + [0x74, 0x71, 0]
    let named = Pickle.global("collections", "OrderedDict") + [0x68, 0, 0x52]
    #expect(
      try refusal(Pickle.whole(shape + repeated(named, 100_000))).contains("an empty OrderedDict"))
    let tensors: [UInt8] =
      Pickle.global("torch._utils", "_rebuild_tensor_v2") + [0x68, 0, 0x52]
    #expect(try refusal(Pickle.whole(shape + tensors)).contains("found None, None"))
    let huge: [[UInt8]] = [
      [0x58, 0xff, 0xff, 0xff, 0xff], [0x58, 0xff, 0xff, 0xff, 0x7f], [0x8a, 0xff],
      [0x4e, 0x72, 0xff, 0xff, 0xff, 0xff, 0x6a, 0xfe, 0xff, 0xff, 0xff],
      [0x95] + [UInt8](repeating: 0xff, count: 8),
      [0x63] + [UInt8](repeating: 0x61, count: 3000),
    ]
    for body in huge { #expect(try refusal(Pickle.whole(body)).contains("data.pkl byte ")) }
    let long = [UInt8](repeating: 0x4e, count: PickleReader.byteLimit + 1)
    #expect(try refusal(long).hasPrefix(": zip member `model/data.pkl`: expected at most 8388608"))
    #expect(clock.now - start < .seconds(60))
  }

  @Test("A file that is cut anywhere is refused, as is every byte too many")
  func truncation() throws {
    let whole = ZipText(
      pickle: Pickle.whole(Pickle.dictionary([("a", tensor)])), storages: [bytes([1, 2])]
    ).bytes
    for count in 0..<whole.count { _ = try refusal(file: Array(whole[..<count])) }
    #expect(try refusal(file: whole + [0]).contains("zip directory"))
    let pickle = Pickle.whole(Pickle.dictionary([("a", tensor)]))
    for count in 0..<pickle.count { _ = try refusal(Array(pickle[..<count])) }
    #expect(try refusal(pickle + [0]).contains("expected the end of the pickle, found 1 more"))
    #expect(try refusal([0x80, 1, 0x2e]).contains("protocol 1"))
    #expect(
      try refusal(file: Array("version https://git-lfs.github.com/spec/v1\n".utf8)).contains(
        "a pointer that git lfs resolves"))
    let command = Array("cos\nsystem\n.".utf8)
    #expect(try refusal(file: [0x80, 2] + command).contains("one that begins otherwise"))
    #expect(try refusal(file: [0x80, 2, 0x8a, 10] + command).contains("found another pickle"))
  }

  @Test("The form from before zip files is read, and refused where it lies or is cut")
  func barePickles() throws {
    let tensors = [
      ("a", tensor), ("b", Pickle.tensor(Pickle.storage("HalfStorage", "1", count: 1), [1], [1])),
    ]
    func file(
      machine: [UInt8] = [0x7d], keys: [String] = ["0", "1"], count: Int = 2, more: [UInt8] = []
    ) -> [UInt8] {
      let start: [UInt8] = [
        0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
        0x80, 2, 0x4d, 0xe9, 3, 0x2e,
      ]
      let list: [UInt8] = [0x5d, 0x28] + keys.flatMap(Pickle.string) + [0x65]
      return start + Pickle.whole(machine) + Pickle.whole(Pickle.dictionary(tensors))
        + Pickle.whole(list) + littleEndian(count, 8) + bytes([1, 2]) + littleEndian(1, 8)
        + [0, 0xc0] + more
    }
    let good = file()
    try write(good, to: folder("pytorch_model.bin"))
    let model = try ModelFolder(path: folder.path)
    #expect(model.tensorNames == ["a", "b"])
    #expect(try model.floats("a") == [1, 2])
    #expect(try model.floats("b") == [-2])
    for count in 0..<good.count { _ = try refusal(file: Array(good[..<count])) }
    for (file, expected) in [
      (file(machine: [0x4e]), " byte 21: expected facts about the machine"),
      (
        file(machine: Pickle.global("os", "system")), " byte 23: expected a pickle of tensors alone"
      ),
      (file(keys: ["0"]), ": expected "), (file(keys: ["0", "0"]), ": storage `0`: expected each"),
      (file(keys: ["1", "0"]), ": storage `1`: expected 1 elements of F16, found 2 in"),
      (file(keys: ["0", "2"]), ": storage `2`: expected each storage of the tensors once"),
      (file(count: -1), ": storage `0`: expected 2 elements of F32, found 18446744073709551615"),
      (file(more: [1]), "bytes, where the last storage ends"),
    ] { #expect(try refusal(file: file).contains(expected)) }
  }

  @Test("A zip file whose directory lies is refused")
  func zips() throws {
    let good = ZipText(
      pickle: Pickle.whole(Pickle.dictionary([("a", tensor)])), storages: [bytes([1, 2])])
    try write(good.bytes, to: folder("pytorch_model.bin"))
    #expect(try ModelFolder(path: folder.path).floats("a") == [1, 2])
    // A member in another one's content.
    let inner = ZipText([("model/version", [51, 10])]).bytes.prefix(30 + 13 + 2)
    let content = 30 + good.members[0].name.utf8.count + good.members[0].content.count + 30 + 12
    typealias Lie = (inout ZipText) -> Void
    let lies: [(String, Lie)] = [
      ("compressed (method 8)", { $0.members[1].method = 8 }),
      ("encrypted", { $0.members[1].flags = 1 }),
      ("a header that agrees", { $0.members[1].localName = "model/data/9" }),
      ("a header that agrees", { $0.members[1].localSize = 4 }),
      ("expected 400 bytes before byte", { $0.members[1].size = 400 }),
      (
        "an overlap",
        {
          $0.members[1].content = Array(inner)
          $0.members[2].start = content
        }
      ),
      ("before byte", { $0.members[1].start = 1 << 30 }),
      ("2 elements of F32, found 4 bytes", { $0.members[1].size = 4 }),
      ("each member once", { $0.members.append($0.members[1]) }),
      ("bytes from byte 0, 3 of 3 members", { $0.directoryStart = 0 }),
      ("expected 2 members, found", { $0.count = 2 }),
      ("expected", { $0.count = 4 }),
      ("60000 members in", { $0.count = 60_000 }),
      ("the signature 0x6054b50", { $0.comment = Array("more".utf8) }),
      ("a member `NAME/data.pkl`", { $0.members[0].name = "data.pkl" }),
      ("a member `NAME/data.pkl`", { $0.members[0].name = "/../data.pkl" }),
      ("a member `model/data/0`, found none", { $0.members[1].name = "../../data/0" }),
      ("`little` or `big`", { $0.members.append(.init(name: "model/byteorder", content: [65])) }),
      ("a name of at most", { $0.members[2].name = String(repeating: "n", count: 1025) }),
    ]
    for (expected, lie) in lies {
      for isWide in [false, true] {
        var zip = good
        zip.isWide = isWide
        lie(&zip)
        let text = try refusal(zip)
        #expect(text.contains(expected), "\(expected): \(text)")
      }
    }
  }
}
