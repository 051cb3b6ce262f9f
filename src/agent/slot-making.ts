// The mounter's verbs as the maker of volumes uses them (volumes/volume-maker.ts). Translates, decides nothing.
import type { MounterCalls } from '../mounter/client.ts';
import { fileNamesOf, type SlotLayout } from '../volumes/slot-layout.ts';
import type { SlotMaker } from '../volumes/slot-maker.ts';

/** famfs knows root by both ids being zero. */
const root = { uid: 0, gid: 0 };

/** A maker of slots that asks this node's mounter. */
export function slotMaker(calls: MounterCalls): SlotMaker {
  return {
    makeFiles: async function* (poolUuid, directory, layout, signal) {
      const request = { poolUuid, directory, ...filesOf(layout) };
      for await (const { filesMade, logEntriesUsed } of calls.makeFiles(request, { signal }))
        yield { filesMade, logEntries: Number(logEntriesUsed) };
    },
    zeroFiles: async function* (poolUuid, directory, names, signal) {
      for await (const { bytesDone } of calls.zeroFiles(
        { poolUuid, directory, names: [...names] },
        { signal },
      ))
        yield { bytesDone };
    },
  };
}

function filesOf(layout: SlotLayout) {
  const files = fileNamesOf(layout).map((name) => ({ name, sizeBytes: layout.fileSizeBytes }));
  return { files, mode: layout.fileMode, ...(layout.owner ?? root) };
}
