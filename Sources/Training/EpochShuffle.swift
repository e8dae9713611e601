import Kernels
import Shards

extension EpochOrder {
  /// The order of an epoch: a pure function of seed and epoch.
  package init(seed: UInt64, epoch: Int, rows: Int) {
    var stream = PhiloxStream(seed: seed, epoch: UInt64(epoch))
    self.init(rows: rows, using: &stream)
  }
}
