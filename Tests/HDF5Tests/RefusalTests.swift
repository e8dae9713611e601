import Testing

@testable import HDF5

/// Files that h5py wrote (Tests/Interop/hdf5_fixtures.py).
@Suite struct RefusalTests {
  @Test(
    "What a stranger's file could misuse is refused by name",
    arguments: [
      ("soft-link", "expected a dataset, found a soft or external link"),
      ("external-link", "expected a dataset, found a soft or external link"),
      ("virtual", "expected data inside of the file, found a virtual dataset"),
      ("external-storage", "expected data inside of the file, found external storage"),
      ("variable-length", "expected a type of fixed length, found a variable-length type"),
      ("filter", "expected the filters shuffle, deflate (gzip), fletcher32 or none"),
      ("group", "expected a dataset, found a group or a type"),
      ("scalar", "expected an array, found a single value"),
      ("declared-size", "expected 4398046511104 bytes of data, found 0 stored"),
      ("declared-text", "expected 1125899906842624 x 65536 bytes of data, found 0 stored"),
      ("declared-chunk", "expected chunks of at most 268435456 bytes, found 2147483648"),
    ])
  func refused(name: String, reason: String) throws {
    let path = "\(fixtures)/hdf5/\(name).h5"
    let found = message {
      let file = try File(reading: path)
      _ = try Dataset("data", in: file)
    }
    #expect(found.hasPrefix("\(path):/data: \(reason)"), "\(found)")
  }

  @Test("A dataset of records has no numbers to read")
  func compound() throws {
    let file = try File(reading: "\(fixtures)/hdf5/compound.h5")
    let dataset = try Dataset("data", in: file)
    #expect(dataset.datatype == .other)
    #expect(
      message { let _: [Int32] = try dataset.read(0..<3) }
        .contains("expected numbers, found a compound or opaque type"))
  }

  @Test("A missing dataset is an error that lists what there is")
  func missing() throws {
    let file = try File(reading: "\(fixtures)/hdf5/soft-link.h5")
    #expect(
      message { _ = try Dataset("input_ids", in: file) }
        .hasSuffix(
          "expected a dataset, found none among [\"data\", \"other\"]; write the file again"))
  }

  @Test("Text of variable length is refused in attributes too")
  func variableAttribute() throws {
    let file = try File(reading: "\(fixtures)/hdf5/variable-length.h5")
    #expect(
      message { _ = try file.stringsAttribute("label_names") }
        .contains("attribute label_names: expected a type of fixed length"))
  }

  @Test("h5py's numbers of every width, order and kind are read")
  func numbers() throws {
    let file = try File(reading: "\(fixtures)/hdf5/numbers.h5")
    for name in ["int8", "uint16", "int64", "uint64", "big", "float16", "float64", "bool"] {
      let dataset = try Dataset(name, in: file)
      #expect(dataset.shape == [3, 2])
      #expect(try dataset.read(0..<3) == [0, 1, 0, 1, 0, 1] as [Int64], "\(name)")
      #expect(try dataset.read(1..<2) == [0, 1] as [Float], "\(name)")
    }
    #expect(try Dataset("bool", in: file).datatype == .boolean)
    #expect(try Dataset("float16", in: file).datatype == .float(bits: 16))
    #expect(try file.stringAttribute("text") == "fixed")
    #expect(try file.stringsAttribute("texts") == ["anger", "joy"])
    #expect(try file.integerAttribute("number") == 7)
  }
}
