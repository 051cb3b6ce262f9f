// For `node --import`: a process whose clock a test can set. The file that FAMFS_CSI_TEST_CLOCK names holds by how many
// milliseconds it is wrong.
import { readFileSync } from 'node:fs';

const file = process.env.FAMFS_CSI_TEST_CLOCK;
const rightNow = Date.now;

function wrongByMs() {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

Date.now = () => rightNow() + wrongByMs();
