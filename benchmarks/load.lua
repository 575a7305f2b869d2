-- wrk: send the requests of a file one after the other, from a given line on; print one line of JSON at the end.
local requests, at = {}, 0

function init(args)
  local skip, line = tonumber(args[2]), 0
  for text in io.lines(args[1]) do
    line = line + 1
    if line > skip then
      local query, body = text:match("^([^\t]+)\t(.*)$")
      requests[#requests + 1] = wrk.format("POST", wrk.path .. "?" .. query, nil, body)
    end
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  local other = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format('{"requests": %d, "seconds": %f, "p50_ms": %f, "p99_ms": %f, "other": %d}',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, other))
end
