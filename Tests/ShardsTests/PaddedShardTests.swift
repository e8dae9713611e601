import Foundation
import HDF5
import Testing

@testable import Shards

@Suite struct PaddedShardTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  @Test("h5py's padded file is unpadded through its mask", arguments: [1 << 20, 0])
  func padded(memoryLimit: Int) throws {
    // Written by Tests/Interop/hdf5_fixtures.py.
    let reader = try ShardFolder(
      path: "\(fixtures)/shards/padded.h5", memoryLimit: memoryLimit)
    #expect(reader.rows == 4)
    #expect(reader.tokens == 12)
    #expect(reader.maxLength == 6)
    #expect(reader.labelNames == ["anger", "joy", "trust"])
    #expect(reader.vocabularySHA256 == nil)
    #expect(reader.hasPairs)
    #expect(try reader.lengths(of: [3, 2, 1, 0]) == [2, 6, 0, 4])
    let batch = try reader.read([2, 1, 0, 3])
    #expect(batch.rows == [2, 1, 0, 3])
    #expect(batch.inputIDs == [101, 1, 2, 3, 4, 102, 101, 7, 8, 102, 101, 102])
    #expect(batch.typeIDs == [0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    #expect(batch.cumulativeLengths == [0, 6, 6, 10, 12])
    #expect(batch.labels.floats == [0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 1])
    #expect(try reader.rowID(2) == "2")
    try reader.verifyShard(0)
  }

  @Test("Several padded files in a folder are one data set, in the order of their names")
  func folderOfFiles() throws {
    for (name, ids) in [("b.h5", [3, 4]), ("a.h5", [1, 2])] as [(String, [Int32])] {
      try write(to: folder(name), ids: ids, mask: [1, 1])
    }
    let reader = try ShardFolder(path: folder.path)
    #expect(reader.rows == 2)
    #expect(reader.labelNames == ["LABEL_0"])
    #expect(try reader.read([0, 1]).inputIDs == [1, 2, 3, 4])
    #expect(!reader.hasPairs)
    let identity = reader.manifestSHA256
    #expect(try ShardFolder(path: folder.path).manifestSHA256 == identity)
    try FileManager.default.removeItem(atPath: folder("b.h5"))
    #expect(try ShardFolder(path: folder.path).manifestSHA256 != identity)
  }

  @Test("What is wrong in a padded file is named with its dataset")
  func badFiles() throws {
    func found(
      _ name: String, ids: [Int32] = [1, 2], mask: [Int32] = [1, 1], labels: [Float] = [1],
      labelCount: Int = 1, names: [String]? = nil
    ) throws -> String {
      try write(
        to: folder(name), ids: ids, mask: mask, labels: labels, labelCount: labelCount,
        names: names)
      let text = message { _ = try ShardFolder(path: folder(name)).read([0]) }
      return String(text.dropFirst(folder.path.count + 1))
    }
    #expect(
      try found("1.h5", mask: [1, 2])
        == "1.h5:/attention_mask: expected 0 or 1, found 2 in row 0; "
        + "write 1 for tokens and 0 for padding")
    #expect(try found("2.h5", ids: [1, -5]).hasPrefix("2.h5:/input_ids: expected token ids"))
    #expect(try found("3.h5", ids: [1, -5], mask: [1, 0]) == "")
    #expect(try found("4.h5", labels: [.infinity]).hasPrefix("4.h5:/labels: expected finite"))
    #expect(
      try found("5.h5", names: ["a", "b"])
        == "5.h5 attribute label_names: expected 1 names, found 2; "
        + "write a name for each label")
    #expect(
      try found("6.h5", mask: [1, 1, 1, 1])
        == "6.h5:/attention_mask: expected the shape [1, 2] of input_ids, found [2, 2]; "
        + "write both with the same rows and width")
    #expect(
      try found("7.h5", labels: [1, 0]).hasPrefix("7.h5:/labels: expected numbers [1, labels]"))
    #expect(
      try found(
        "9.h5", labels: [Float](repeating: 0, count: (1 << 16) + 1), labelCount: (1 << 16) + 1)
        == "9.h5:/labels: expected at most 65536 labels, found 65537; "
        + "write the rows along the first axis")
    let file = try File(creating: folder("8.h5"))
    var ids = try Dataset(
      creating: "input_ids", of: Float.self, rowShape: [2], chunkRows: 1, in: file)
    try ids.append([1, 2] as [Float])
    try ids.close()
    try file.close()
    #expect(
      message { _ = try ShardFolder(path: folder("8.h5")) }
        .hasSuffix(
          ":/input_ids: expected integers [rows, n], found float32 [1, 2]; "
            + "write it as a table of integers"))
    #expect(
      message { _ = try ShardFolder(path: "\(fixtures)/hdf5/variable-length.h5") }
        .contains("/input_ids: expected a dataset, found none among [\"data\"]"))
  }

  /// One row a pair of values.
  private func write(
    to path: String, ids: [Int32], mask: [Int32], labels: [Float] = [1], labelCount: Int = 1,
    names: [String]? = nil
  ) throws {
    let file = try File(creating: path)
    for (name, values) in [("input_ids", ids), ("attention_mask", mask)] {
      var dataset = try Dataset(
        creating: name, of: Int32.self, rowShape: [2], chunkRows: 1, in: file)
      try dataset.append(values)
      try dataset.close()
    }
    var dataset = try Dataset(
      creating: "labels", of: Float.self, rowShape: [labelCount], chunkRows: 1, in: file)
    try dataset.append(labels)
    try dataset.close()
    if let names { try file.writeAttribute("label_names", names) }
    try file.close()
  }
}
