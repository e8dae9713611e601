import Manifests

/// Reads the pickles that `torch.save` writes for a dictionary of tensors, and refuses all others.
///
/// A pickle is a program for a stack machine; Python's own runs whatever functions it names. This
/// machine has the instructions and the globals that a state dict needs (``PickleGlobal``), in
/// protocols 2 to 5; there is no other function that it could call. It goes through the bytes once,
/// never recurses, and keeps some 64 bytes at most for each byte that it reads.
/// https://github.com/python/cpython/blob/main/Lib/pickletools.py
struct PickleReader {
  /// The longest pickle that is read: of some 40,000 tensors.
  static let byteLimit = 8 << 20
  /// Values on the stack; Python's pickler puts the members of collections there by the thousand.
  private static let stackLimit = 1 << 16
  /// Values that are remembered to be used again.
  private static let memoLimit = 1 << 20

  private(set) var heap = PickleHeap()
  /// The byte that is read next.
  private(set) var position = 0

  private let bytes: [UInt8]
  private let place: String
  /// Added to positions in messages.
  private let origin: Int
  private var stack: [PickleValue] = []
  /// Heights of the stack.
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]

  /// - Parameters:
  ///   - bytes: one or more pickles.
  ///   - place: the file, and its member, named in errors.
  ///   - origin: where in that place the bytes begin.
  init(_ bytes: [UInt8], place: String, origin: Int = 0) {
    self.bytes = bytes
    self.place = place
    self.origin = origin
  }

  /// Reads a pickle to its STOP and returns what it stands for.
  mutating func read() throws -> PickleValue {
    stack.removeAll(keepingCapacity: true)
    marks.removeAll()
    memo.removeAll(keepingCapacity: true)
    while true {
      let start = position
      let code = try byte()
      do {
        guard let instruction = Instruction(rawValue: code) else {
          throw refusedInstruction(code, at: start)
        }
        if instruction == .stop { break }
        try execute(instruction, at: start)
      } catch let refusal as PickleHeap.Refusal {
        throw refused(at: start, refusal.expected, refusal.found)
      }
      guard stack.count <= Self.stackLimit, memo.count <= Self.memoLimit else {
        throw refused(
          at: start, "at most \(Self.stackLimit) values on the stack and \(Self.memoLimit) kept",
          "more")
      }
    }
    guard let value = stack.last, stack.count == 1, marks.isEmpty else {
      throw refused(at: position - 1, "one value at the end", "\(stack.count)")
    }
    return value
  }

  /// Checks that nothing comes after the last pickle.
  func readEnd() throws {
    guard position == bytes.count else {
      throw refused(at: position, "the end of the pickle", "\(bytes.count - position) more bytes")
    }
  }

  private enum Instruction: UInt8 {
    case mark = 0x28  // (
    case stop = 0x2e  // .
    case int32 = 0x4a  // J
    case uint8 = 0x4b  // K
    case uint16 = 0x4d  // M
    case none = 0x4e  // N
    case persistentID = 0x51  // Q
    case reduce = 0x52  // R
    case string = 0x58  // X
    case append = 0x61  // a
    case build = 0x62  // b
    case global = 0x63  // c
    case appends = 0x65  // e
    case get = 0x68  // h
    case longGet = 0x6a  // j
    case put = 0x71  // q
    case longPut = 0x72  // r
    case setItem = 0x73  // s
    case tuple = 0x74  // t
    case setItems = 0x75  // u
    case emptyTuple = 0x29  // )
    case emptyList = 0x5d  // ]
    case emptyDictionary = 0x7d  // }
    case protocolVersion = 0x80
    case tuple1 = 0x85
    case tuple2 = 0x86
    case tuple3 = 0x87
    case newTrue = 0x88
    case newFalse = 0x89
    case long = 0x8a
    case shortString = 0x8c
    case stackGlobal = 0x93
    case memoize = 0x94
    case frame = 0x95
  }

  private mutating func execute(_ instruction: Instruction, at start: Int) throws {
    switch instruction {
    case .stop: break
    case .mark: marks.append(stack.count)
    case .none: stack.append(.none)
    case .newTrue: stack.append(.boolean(true))
    case .newFalse: stack.append(.boolean(false))
    case .uint8: stack.append(.integer(try number(1)))
    case .uint16: stack.append(.integer(try number(2)))
    case .int32:
      stack.append(.integer(Int(Int32(truncatingIfNeeded: try number(4)))))
    case .long: stack.append(.integer(try longInteger(at: start)))
    case .string: stack.append(.string(try string(number(4), at: start)))
    case .shortString: stack.append(.string(try string(number(1), at: start)))
    case .emptyTuple: stack.append(heap.newTuple([]))
    case .emptyList: stack.append(heap.newList())
    case .emptyDictionary: stack.append(heap.newDictionary())
    case .tuple1: try makeTuple(1, at: start)
    case .tuple2: try makeTuple(2, at: start)
    case .tuple3: try makeTuple(3, at: start)
    case .tuple:
      let values = try popToMark(at: start)
      stack.append(heap.newTuple(values))
    case .append: try append([pop(at: start)], at: start)
    case .appends: try append(popToMark(at: start), at: start)
    case .setItem:
      let value = try pop(at: start)
      try setItems([pop(at: start), value], at: start)
    case .setItems: try setItems(popToMark(at: start), at: start)
    case .global, .stackGlobal, .persistentID, .reduce, .build:
      try useGlobal(instruction, at: start)
    case .get: try remembered(number(1), at: start)
    case .longGet: try remembered(number(4), at: start)
    case .put: memo[try number(1)] = try top(at: start)
    case .longPut: memo[try number(4)] = try top(at: start)
    case .memoize: memo[memo.count] = try top(at: start)
    case .protocolVersion:
      let version = try number(1)
      guard (2...5).contains(version) else {
        throw refused(at: start, "pickle protocol 2 to 5", "protocol \(version)")
      }
    case .frame:
      // How far one may read ahead, which no reader needs to know.
      _ = try take(8)
    }
  }

  /// The instructions that name or use something of Python's.
  private mutating func useGlobal(_ instruction: Instruction, at start: Int) throws {
    switch instruction {
    case .global:
      let module = try line(at: start)
      stack.append(.global(try global(module, line(at: start), at: start)))
    case .stackGlobal:
      guard case .string(let name) = try pop(at: start),
        case .string(let module) = try pop(at: start)
      else { throw refused(at: start, "a global by two names", "another value") }
      stack.append(.global(try global(module, name, at: start)))
    case .persistentID:
      guard case .tuple(let arguments) = try pop(at: start) else {
        throw refused(at: start, "a storage", "another persistent id")
      }
      stack.append(try heap.storage(arguments))
    case .reduce:
      guard case .tuple(let arguments) = try pop(at: start),
        case .global(let function) = try pop(at: start)
      else { throw refused(at: start, "a call of a global", "a call of another value") }
      stack.append(try heap.call(function, arguments))
    case .build:
      // The attributes of a dictionary, such as the `_metadata` of a state dict: not needed.
      guard case .dictionary = try pop(at: start), case .dictionary = try top(at: start) else {
        throw refused(at: start, "attributes of a dictionary", "those of another value")
      }
    default: preconditionFailure("an instruction without a global")
    }
  }

  private func global(_ module: String, _ name: String, at start: Int) throws -> PickleGlobal {
    guard let global = PickleGlobal(module: module, name: name) else {
      throw CheckpointError(
        place: "\(place) byte \(origin + start)",
        expected: "a pickle of tensors alone", found: "the global \(quoted("\(module).\(name)"))",
        remedy: "it is not loaded, since whatever it names could be run: trust no program with "
          + "this file that runs pickles, and use model.safetensors, or a file that was saved "
          + "with torch.save(model.state_dict(), ..)")
    }
    return global
  }

  private mutating func makeTuple(_ count: Int, at start: Int) throws {
    guard stack.count - (marks.last ?? 0) >= count else { throw underflow(at: start) }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    stack.append(heap.newTuple(values))
  }

  private mutating func append(_ values: [PickleValue], at start: Int) throws {
    guard case .list(let index) = try top(at: start) else {
      throw refused(at: start, "a list to append to", try top(at: start).kind)
    }
    heap.lists[index].append(contentsOf: values)
  }

  private mutating func setItems(_ values: [PickleValue], at start: Int) throws {
    guard case .dictionary(let index) = try top(at: start), values.count % 2 == 0 else {
      throw refused(at: start, "members of a dictionary", try top(at: start).kind)
    }
    for pair in stride(from: 0, to: values.count, by: 2) {
      guard case .string(let key) = values[pair] else {
        throw refused(at: start, "keys that are strings", values[pair].kind)
      }
      heap.dictionaries[index].append((key, values[pair + 1]))
    }
  }

  private mutating func remembered(_ index: Int, at start: Int) throws {
    guard let value = memo[index] else {
      throw refused(at: start, "a value that was kept", "none of number \(index)")
    }
    stack.append(value)
  }

  private func top(at start: Int) throws -> PickleValue {
    guard let value = stack.last, stack.count > marks.last ?? 0 else { throw underflow(at: start) }
    return value
  }

  private mutating func pop(at start: Int) throws -> PickleValue {
    let value = try top(at: start)
    stack.removeLast()
    return value
  }

  private mutating func popToMark(at start: Int) throws -> [PickleValue] {
    guard let mark = marks.popLast() else { throw refused(at: start, "a mark", "none") }
    let values = Array(stack[mark...])
    stack.removeLast(values.count)
    return values
  }
}

// The operands.
extension PickleReader {
  private mutating func byte() throws -> UInt8 {
    guard position < bytes.count else { throw cutShort(1) }
    position += 1
    return bytes[position - 1]
  }

  private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard count <= bytes.count - position else { throw cutShort(count) }
    position += count
    return bytes[position - count..<position]
  }

  /// At most 4 bytes, the lowest first.
  private mutating func number(_ byteCount: Int) throws -> Int {
    try take(byteCount).reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// A two's complement number, the lowest byte first, with its length in front.
  private mutating func longInteger(at start: Int) throws -> Int {
    let length = try number(1)
    let digits = try take(length)
    guard length <= 8 else {
      throw refused(at: start, "an integer of at most 64 bits", "one of \(length) bytes")
    }
    let isNegative = digits.last.map { $0 >= 0x80 } ?? false
    return digits.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) }
  }

  private mutating func string(_ length: Int, at start: Int) throws -> String {
    guard length <= JSONReader.nameByteLimit else {
      throw refused(
        at: start, "a string of at most \(JSONReader.nameByteLimit) bytes", "\(length) bytes")
    }
    guard let text = String(validating: try take(length), as: UTF8.self) else {
      throw refused(at: start, "a string in UTF-8", "bytes that are not")
    }
    return text
  }

  /// A name that ends with its line.
  private mutating func line(at start: Int) throws -> String {
    let rest = bytes[position...].prefix(JSONReader.nameByteLimit)
    guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
      throw refused(at: start, "a name in a line", "no end of the line")
    }
    defer { position = end + 1 }
    return String(decoding: rest[..<end], as: UTF8.self)
  }

  private func refused(at start: Int, _ expected: String, _ found: String) -> CheckpointError {
    damaged(
      "\(place) byte \(origin + start)", expected, found,
      remedy: "it holds something else than tensors, or is damaged: use model.safetensors, or a "
        + "file that was saved with torch.save(model.state_dict(), ..)")
  }

  private func refusedInstruction(_ code: UInt8, at start: Int) -> CheckpointError {
    let name = Self.refusedInstructions[code].map { " (\($0))" } ?? ""
    return refused(
      at: start, "an instruction that a dictionary of tensors needs",
      "0x\(String(code, radix: 16))\(name)")
  }

  private func underflow(at start: Int) -> CheckpointError {
    refused(at: start, "a value on the stack", "none")
  }

  private func cutShort(_ count: Int) -> CheckpointError {
    damaged(
      "\(place) byte \(origin + position)", "\(count) more bytes of the pickle",
      "\(bytes.count - position)",
      remedy: "the file is cut short or damaged: use another copy of it")
  }

  /// Python's names of others, for messages.
  private static let refusedInstructions: [UInt8: String] = [
    0x30: "POP", 0x31: "POP_MARK", 0x32: "DUP", 0x42: "BINBYTES", 0x43: "SHORT_BINBYTES",
    0x46: "FLOAT", 0x47: "BINFLOAT", 0x49: "INT", 0x4c: "LONG", 0x50: "PERSID", 0x53: "STRING",
    0x54: "BINSTRING", 0x55: "SHORT_BINSTRING", 0x56: "UNICODE", 0x64: "DICT", 0x67: "GET",
    0x69: "INST", 0x6c: "LIST", 0x6f: "OBJ", 0x70: "PUT", 0x81: "NEWOBJ", 0x82: "EXT1",
    0x83: "EXT2", 0x84: "EXT4", 0x8b: "LONG4", 0x8d: "BINUNICODE8", 0x8e: "BINBYTES8",
    0x8f: "EMPTY_SET", 0x90: "ADDITEMS", 0x91: "FROZENSET", 0x92: "NEWOBJ_EX",
    0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
  ]
}
