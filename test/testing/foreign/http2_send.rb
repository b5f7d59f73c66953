# Sends over Ruby's http-2, the package below apnotic, in apnotic's form: NPN in place of ALPN, headers by name and then
# the pseudo headers, content-length. Prints status and body of each answer as JSON.
require 'http/2'
require 'json'
require 'openssl'
require 'socket'

context = OpenSSL::SSL::SSLContext.new
context.ca_file = ENV.fetch('CA_FILE')
context.verify_mode = OpenSSL::SSL::VERIFY_PEER
context.npn_protocols = ['h2']
context.npn_select_cb = ->(protocols) { 'h2' if protocols.include?('h2') }
socket = OpenSSL::SSL::SSLSocket.new(TCPSocket.new(ENV.fetch('HOST'), ENV.fetch('PORT')), context)
socket.sync_close = true
socket.connect
raise "ALPN chose #{socket.alpn_protocol}" if socket.alpn_protocol

connection = HTTP2::Client.new
connection.on(:frame) do |bytes|
  socket.write(bytes)
  socket.flush
end

answers = JSON.parse(ENV.fetch('DEVICES')).map do |device|
  payload = '{"aps":{"alert":"Hello","badge":3}}'
  status = nil
  body = +''
  done = false
  stream = connection.new_stream
  stream.on(:headers) { |headers| status ||= headers.to_h[':status'] }
  stream.on(:data) { |data| body << data }
  stream.on(:close) { done = true }
  stream.headers(
    {
      'apns-id' => ENV.fetch('APNS_ID'),
      'apns-push-type' => 'alert',
      'apns-topic' => ENV.fetch('TOPIC'),
      'authorization' => ENV.fetch('AUTHORIZATION'),
      ':scheme' => 'https',
      ':method' => 'POST',
      ':path' => "/3/device/#{device}",
      ':authority' => "#{ENV.fetch('HOST')}:#{ENV.fetch('PORT')}",
      'content-length' => payload.bytesize.to_s
    },
    end_stream: false
  )
  stream.data(payload, end_stream: true)
  connection << socket.readpartial(1024) until done
  [status, body]
end
socket.close
puts JSON.generate(answers)
