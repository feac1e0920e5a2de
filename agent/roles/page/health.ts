import { web } from '../../host.ts';

/** @returns a reason when `/healthz` does not answer 200 within two seconds */
export async function askPage(address: string, port: number): Promise<true | string> {
  try {
    const status = await web.statusOf(`http://${address}:${port}/healthz`, 2_000);
    return status === 200 ? true : `the page answers ${status}`;
  } catch (error) {
    return `the page does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}
