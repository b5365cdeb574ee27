// What the suites print: a line per check, which `cargo xtask` counts.

let failed = 0;

/** Runs one check; whatever it throws is why it failed. */
export async function check(name, body) {
  try {
    await body();
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    const why = String(error?.message ?? error).trim().replaceAll("\n", "\n     ");
    console.log(`FAIL ${name}: ${why}`);
  }
}

/** Ends the suite. */
export function conclude() {
  process.exit(failed === 0 ? 0 : 1);
}
