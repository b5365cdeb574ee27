// The settings in force, and who decided each.

import { at, row } from "/pool/assets/shared.js";

export async function refresh({ operate }, first) {
  if (!first) return;
  const { settings } = await operate("/settings");
  at("in-force").replaceChildren(...settings.map(({ name, value, from }) => row(name, value, from)));
}
