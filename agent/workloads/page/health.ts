import { web } from '../../host.ts';
import { stepOf } from '../../timers/steps.ts';

/** What an answer may take on the slowest machines: whoever asks gives up by the pace of this one. */
const LONGEST_MS = stepOf('slowest').answerMs;

/** @returns a reason when `/healthz` does not answer 200 */
export async function askPage(address: string, port: number): Promise<true | string> {
  try {
    const status = await web.statusOf(`http://${address}:${port}/healthz`, LONGEST_MS);
    return status === 200 ? true : `the page answers ${status}`;
  } catch (error) {
    return `the page does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}
