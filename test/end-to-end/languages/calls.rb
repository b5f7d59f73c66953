# As calls.py, with Ruby's own XML-RPC client, which pyapns's Ruby client used and set up for nil like this.

require 'json'
require 'xmlrpc/client'

%i[ENABLE_NIL_PARSER ENABLE_NIL_CREATE].each do |switch|
  XMLRPC::Config.send(:remove_const, switch)
  XMLRPC::Config.const_set(switch, true)
end

def plain(value)
  case value
  when Array then value.map { |member| plain(member) }
  when XMLRPC::DateTime then { date: value.to_time.strftime('%Y%m%dT%H:%M:%S') }
  else value
  end
end

daemon = XMLRPC::Client.new2(ARGV[0])
results = JSON.parse($stdin.read).map do |method, params|
  { answer: plain(daemon.call(method, *params)) }
rescue XMLRPC::FaultException => e
  { fault: [e.faultCode, e.faultString] }
end
puts JSON.generate(results)
