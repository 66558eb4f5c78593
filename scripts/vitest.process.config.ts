import { defineConfig } from 'vitest/config'

// Tests that start real node processes run one after another, so that two cores are enough.
export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  test: {
    include: ['test/**/*.process.test.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000
  }
})
