/** `clockless node declare-loss`: no member may run on this data directory meanwhile; its lock sees to that. */
import { openSqliteStore } from "../storage/sqlite.ts";
import { parseCommitteeFile } from "./committee-file.ts";
import type { NodeConfig } from "./config.ts";
import { declareLoss } from "./loss.ts";
import { readText } from "./read-text.ts";

/** Makes the data directory if the disk is gone. Throws StoreError `locked`, `foreignStore`; NodeConfigError; CommitteeFileError. */
export function declareLossIn({ committeeFile, dataDir }: Pick<NodeConfig, "committeeFile" | "dataDir">): void {
  const { committee } = parseCommitteeFile(readText(committeeFile));
  const store = openSqliteStore({ directory: dataDir, committeeId: committee.id });
  try {
    declareLoss(store);
  } finally {
    store.close();
  }
}
